extension SiteFile {
    /// The reference of the site file in Markdown, made from the declarations of its keys.
    package static func reference() -> String {
        var out = """
            # Site file reference

            Made from the declarations in `Sources/SiteFile/Keys.swift`; `SLUICE_UPDATE_REFERENCE=1 swift test --filter
            ReferenceTests` renews it. Every problem of a file is reported in one pass, with its place; an unknown key is an error.

            | Value | Written as |
            |---|---|
            | duration | a whole number and `ms`, `s`, `m` or `h`: `250ms`, `2s`, `5m`, `1h` |
            | size | a whole number of bytes, or with `B`, `KiB`, `MiB`, `GiB`: `64KiB`, `10MiB` |
            | name | at most \(Form<String>.nameBytesMax) letters, digits, `-`, `_` and `.` |
            | address | `10.0.0.1:9000`, `[2001:db8::1]:9000`, `name:9000`; for endpoints `unix:/path`; for listeners `:8080` |
            | list | `[a, b]`; where one value is common, the value alone stands for a list of one |

            Anchors and aliases (`&name`, `*name`) and merge keys (`<<: *name`) may be used. Text that holds `: `, ` #`, or begins with
            `[`, `{`, `*`, `&`, `!`, `%`, `@` or a backtick stands in quotes; an address that begins with a colon or bracket does too.

            """
        append(SiteKeys.section, to: &out)
        return out
    }

    private static func append(_ section: Section, to out: inout String) {
        out += "\n## \(section.path.isEmpty ? "Top level" : "`\(section.path)`")\n\n"
        if !section.summary.isEmpty { out += section.summary + "\n\n" }
        out += "| Key | Takes | Without it | Meaning |\n|---|---|---|---|\n"
        for key in section.keys {
            let takes = key.takes.replacing("|", with: "\\|")
            out += "| `\(key.name)` | \(takes) | \(key.fallback) | \(key.summary) |\n"
        }
        for key in section.keys {
            if let nested = key.nested { append(nested, to: &out) }
        }
    }
}
