import Foundation

/// Where the executables under test are.
package enum Binaries {
    /// `$SLUICE_BIN_DIR`, else `.build/release` of the package.
    package static let directory: String = {
        if let given = ProcessInfo.processInfo.environment["SLUICE_BIN_DIR"] { return given }
        return packageRoot + "/.build/release"
    }()

    /// The folder of `Package.swift`.
    package static let packageRoot: String = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url.path
    }()

    /// The control plane and the commands.
    ///
    /// - Throws: `TestKitError` when it isn't built. A missing product fails the tests, it does not skip them.
    package static func sluice() throws -> String { try path("sluice") }

    /// The data roles.
    package static func sluiceNode() throws -> String { try path("sluice-node") }

    private static func path(_ name: String) throws -> String {
        let path = "\(directory)/\(name)"
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw TestKitError(
                "\(path) is not there: run `swift build --configuration release`, or set SLUICE_BIN_DIR")
        }
        return path
    }
}
