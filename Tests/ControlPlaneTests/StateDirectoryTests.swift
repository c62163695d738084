import Foundation
import Testing

@testable import ControlPlane

@Suite("State directory")
struct StateDirectoryTests {
    @Test("the directory of the sockets is closed to others, also when it was not")
    func closesRun() throws {
        let directory = try TestDirectory()
        let state = try StateDirectory(root: directory.path("state"))
        try state.prepare()
        chmod(state.run, 0o777)
        try state.prepare()
        let mode = try FileManager.default.attributesOfItem(atPath: state.run)[.posixPermissions] as? Int
        #expect(mode == 0o700)
    }

    @Test("a second control plane on the same state is refused, with the first one's pid")
    func locks() throws {
        let directory = try TestDirectory()
        let state = try StateDirectory(root: directory.path("state"))
        try state.prepare()
        let lock = try state.takeLock()
        let error = #expect(throws: StartError.self) { _ = try state.takeLock() }
        #expect(error?.description.contains("pid \(getpid())") == true)
        #expect(error?.description.contains(state.root) == true)
        close(lock)
        close(try state.takeLock())
    }

    @Test("a socket path is refused from 108 bytes on", arguments: [106, 107, 108])
    func boundsSocketPaths(length: Int) throws {
        let path = "/" + String(repeating: "x", count: length - 1)
        if length <= 107 {
            try StateDirectory.checkSocketPath(path)
        } else {
            let error = #expect(throws: StartError.self) { try StateDirectory.checkSocketPath(path) }
            #expect(error?.description.contains("107") == true)
        }
    }

    @Test("defaults of --state and --socket")
    func defaults() {
        #expect(DefaultPaths.state(environment: [:], uid: 0) == "/var/lib/sluice")
        #expect(DefaultPaths.state(environment: ["XDG_STATE_HOME": "/s"], uid: 1000) == "/s/sluice")
        #expect(DefaultPaths.state(environment: ["HOME": "/home/a"], uid: 1000) == "/home/a/.local/state/sluice")
        #expect(DefaultPaths.socket(environment: ["SLUICE_SOCKET": "/x"], uid: 0) == "/x")
        #expect(DefaultPaths.socket(environment: [:], uid: 0) == "/run/sluice/control.sock")
        #expect(DefaultPaths.socket(environment: ["XDG_RUNTIME_DIR": "/r"], uid: 7) == "/r/sluice/control.sock")
    }
}
