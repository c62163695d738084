/// Why a text is no pattern that this module compiles.
package struct PatternError: Error, Equatable {
    package enum Reason: Equatable, Sendable {
        /// A construct that is understood and not offered; its name.
        case unsupported(String)
        /// A slip of syntax; what is wrong.
        case malformed(String)
        /// The text has more bytes than `PatternLimits.bytesMax`.
        case tooLong
        /// A table for it would exceed the bound that is named.
        case tooLarge(String)
    }
    package var reason: Reason
    /// Unicode scalars before the offending one; nil where the pattern as a whole is refused.
    package var offset: Int?

    package init(reason: Reason, offset: Int? = nil) {
        self.reason = reason
        self.offset = offset
    }

    /// What is wrong, as a clause: `"\1" at character 4 is a back-reference`.
    package var message: String {
        let place = offset.map { " at character \($0 + 1)" } ?? ""
        return switch reason {
        case .unsupported(let what): "\(what)\(place) is not supported"
        case .malformed(let what): "\(what)\(place)"
        case .tooLong: "it has more than \(PatternLimits.bytesMax) bytes"
        case .tooLarge(let bound): "it is too large: \(bound)"
        }
    }

    /// The next step, if one is known.
    package var hint: String? {
        switch reason {
        case .unsupported:
            "patterns are matched in one pass over the bytes: no back-references, look-around or word boundaries"
        case .malformed: nil
        case .tooLong, .tooLarge: "shorten it, lower its repeat counts, or write several routes"
        }
    }
}

/// Bounds on one pattern.
package enum PatternLimits {
    /// Of the text.
    package static let bytesMax = 1024
    /// Groups in groups.
    package static let depthMax = 32
    /// A count in braces.
    package static let repeatMax = 1000
    /// Positions of the pattern with its repeats written out.
    package static let instructionsMax = 8192
    /// States of the compiled table: with 256 classes of bytes, 514 KiB.
    package static let statesMax = 1024
    /// Positions looked at while compiling: tens of milliseconds.
    package static let stepsMax = 2_000_000
}
