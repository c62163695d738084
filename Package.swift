// swift-tools-version: 6.2
import PackageDescription

/// Every target: Swift 6, explicit existentials, imports that don't leak.
let common: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// What the data path links: unsafe code is marked, and exclusivity is proven
/// statically (`inout self`), so the dynamic check is left out of releases.
let hot: [SwiftSetting] =
    common + [
        .strictMemorySafety(),
        .enableExperimentalFeature("Lifetimes"),
        .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
    ]

/// The Swift runtime goes into the executable: no toolchain on the hosts that run it.
let staticRuntime: [LinkerSetting] = [
    .unsafeFlags(["-static-stdlib"], .when(configuration: .release))
]

/// Tests of optimised targets aren't worth an optimiser's time themselves (`scripts/test` builds everything as a release).
let tests: [SwiftSetting] = common + [.unsafeFlags(["-Onone"], .when(configuration: .release))]

let package = Package(
    name: "sluice",
    products: [
        .executable(name: "sluice", targets: ["sluice"]),
        .executable(name: "sluice-node", targets: ["sluice-node"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: ["FullFoundation"]),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        // What `sluice-node` links: no Foundation, no NIO, no Codable.
        .target(name: "CLinux"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(name: "EventLoop", dependencies: ["CLinux"], swiftSettings: hot),
        .target(name: "Telemetry", dependencies: ["CLinux", "EventLoop"], swiftSettings: hot),
        .target(name: "HTTPMessage", dependencies: ["EventLoop"], swiftSettings: hot),
        .target(name: "HTTP1", dependencies: ["CLinux", "HTTPMessage"], swiftSettings: hot),
        .systemLibrary(name: "CNGHTTP2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
        .target(
            name: "HTTP2", dependencies: ["CLinux", "CNGHTTP2", "EventLoop", "HTTPMessage"], swiftSettings: hot),
        .target(name: "TLS", dependencies: ["COpenSSL", "CLinux", "EventLoop"], swiftSettings: hot),
        .target(name: "Balancing", swiftSettings: hot),
        .target(name: "Pattern", swiftSettings: hot),
        .target(
            name: "Snapshot", dependencies: ["EventLoop", "Telemetry", "HTTPMessage", "Balancing", "TLS"],
            swiftSettings: hot),
        .target(name: "NodeLink", dependencies: ["Snapshot", "EventLoop", "TLS"], swiftSettings: hot),
        .target(
            name: "NodeAgent",
            dependencies: ["CLinux", "EventLoop", "Telemetry", "HTTP2", "TLS", "Balancing", "Snapshot", "NodeLink"],
            swiftSettings: hot),
        .target(
            name: "Forwarder",
            dependencies: ["CLinux", "EventLoop", "Telemetry", "Balancing", "Snapshot", "NodeLink", "NodeAgent"],
            swiftSettings: hot),
        .target(
            name: "Proxy",
            dependencies: [
                "CLinux", "EventLoop", "Telemetry", "HTTPMessage", "HTTP1", "HTTP2", "Balancing", "Pattern", "Snapshot",
                "NodeLink", "NodeAgent", "TLS",
            ],
            swiftSettings: hot),
        .executableTarget(
            name: "sluice-node",
            dependencies: ["Forwarder", "Proxy", "NodeAgent", "NodeLink", "Telemetry", "EventLoop"],
            swiftSettings: hot, linkerSettings: staticRuntime),

        // What `scripts/bench-pick` runs.
        .executableTarget(name: "balancing-bench", dependencies: ["Balancing"], swiftSettings: hot),

        // The control plane and the operators' commands.
        .target(name: "Planning", dependencies: ["Balancing", "Snapshot", "EventLoop"], swiftSettings: common),
        .target(
            name: "SiteFile",
            dependencies: [
                "Snapshot", "HTTPMessage", "EventLoop", "Telemetry", "Pattern", "TLS", "Balancing",
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: common),
        .target(
            name: "ControlPlane",
            dependencies: [
                "SiteFile", "Snapshot", "NodeLink", "EventLoop", "Forwarder", "Proxy", "TLS", "Balancing",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: common),
        .executableTarget(
            name: "sluice",
            dependencies: [
                "ControlPlane", "SiteFile", "Snapshot", "Planning",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: common),

        // Fake clock, scripted peers, real processes: for tests only.
        .target(name: "TestKit", swiftSettings: tests),

        .testTarget(name: "EventLoopTests", dependencies: ["EventLoop", "CLinux"], swiftSettings: tests),
        .testTarget(name: "HTTP1Tests", dependencies: ["HTTP1", "HTTPMessage", "EventLoop"], swiftSettings: tests),
        .testTarget(
            name: "HTTP2Tests", dependencies: ["HTTP2", "HTTP1", "HTTPMessage", "EventLoop", "CNGHTTP2"],
            swiftSettings: tests),
        .testTarget(name: "TLSTests", dependencies: ["TLS", "EventLoop", "TestKit"], swiftSettings: tests),
        .testTarget(name: "TelemetryTests", dependencies: ["Telemetry", "EventLoop"], swiftSettings: tests),
        .testTarget(name: "BalancingTests", dependencies: ["Balancing"], swiftSettings: tests),
        .testTarget(
            name: "PlanningTests", dependencies: ["Planning", "Balancing", "Snapshot", "EventLoop"],
            swiftSettings: tests),
        .testTarget(name: "PatternTests", dependencies: ["Pattern"], swiftSettings: tests),
        .testTarget(
            name: "SnapshotTests",
            dependencies: ["Snapshot", "NodeLink", "EventLoop", "Telemetry", "HTTPMessage", "Balancing", "TLS"],
            swiftSettings: tests),
        .testTarget(
            name: "NodeAgentTests",
            dependencies: [
                "NodeAgent", "NodeLink", "Telemetry", "Balancing", "Snapshot", "TLS", "EventLoop", "COpenSSL",
            ],
            swiftSettings: tests),
        .testTarget(
            name: "ForwarderTests",
            dependencies: ["Forwarder", "NodeAgent", "NodeLink", "Snapshot", "Balancing", "EventLoop", "CLinux"],
            swiftSettings: tests),
        .testTarget(
            name: "ProxyTests",
            dependencies: [
                "Proxy", "HTTP1", "HTTPMessage", "Balancing", "Snapshot", "NodeAgent", "NodeLink", "EventLoop",
            ],
            swiftSettings: tests),
        .testTarget(
            name: "SiteFileTests",
            dependencies: ["SiteFile", "Snapshot", "Pattern", "EventLoop", "TLS", "Balancing", "TestKit"],
            exclude: ["Golden"],
            swiftSettings: tests),
        .testTarget(
            name: "ControlPlaneTests",
            dependencies: [
                "ControlPlane", "SiteFile", "Snapshot", "NodeLink", "EventLoop", "TLS", "Balancing", "TestKit",
                .product(name: "GRDB", package: "GRDB.swift"), .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: tests),
        .testTarget(name: "IntegrationTests", dependencies: ["TestKit"], swiftSettings: tests),
    ],
    swiftLanguageModes: [.v6]
)
