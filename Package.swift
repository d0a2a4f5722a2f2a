// swift-tools-version: 6.2
// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    // Not where a module is compiled as a whole: there C's types belong to whichever module brought them first.
    .enableUpcomingFeature("MemberImportVisibility", .when(configuration: .debug)),
    .treatAllWarnings(as: .error),
]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
    .product(name: "NIOWebSocket", package: "swift-nio"),
    .product(name: "NIOSSL", package: "swift-nio-ssl"),
]

let package = Package(
    name: "tiangong",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "tiangong", targets: ["TUIMain"]),
        .executable(name: "tiangong-cloud", targets: ["CloudMain"]),
        .executable(name: "tiangong-agent", targets: ["AgentMain"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["YAML"]),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
    ],
    targets: [
        // C libraries, and the little C that Swift cannot say.
        .systemLibrary(name: "CNcurses", path: "Sources/CNcurses", providers: [.apt(["libncursesw5-dev"])]),
        .systemLibrary(name: "CZstd", path: "Sources/CZstd", providers: [.apt(["libzstd-dev"])]),
        .target(name: "CTerminal", path: "Sources/CTerminal"),
        .target(name: "CKernel", path: "Sources/CKernel"),

        // What both ends agree on.
        .target(
            name: "Core",
            dependencies: nio + [
                "CKernel", "CZstd", logging, serviceLifecycle,
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "Yams", package: "Yams"),
            ],
            path: "Sources/Core", swiftSettings: settings),

        // The server.
        .target(
            name: "Cloud",
            dependencies: nio + [
                "Core", argumentParser, logging, serviceLifecycle, unixSignals,
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            path: "Sources/Cloud", exclude: ["Main"], swiftSettings: settings),
        .executableTarget(
            name: "CloudMain", dependencies: ["Cloud", "Core", argumentParser], path: "Sources/Cloud/Main",
            swiftSettings: settings),

        // The headless agent.
        .target(
            name: "Agent",
            dependencies: nio + [
                "Core", "CKernel", argumentParser, logging, serviceLifecycle, unixSignals,
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "Yams", package: "Yams"),
            ],
            path: "Sources/Agent", exclude: ["Main"], swiftSettings: settings),
        .executableTarget(
            name: "AgentMain", dependencies: ["Agent", "Core", argumentParser], path: "Sources/Agent/Main",
            swiftSettings: settings),

        // The operator's console and command line.
        .target(
            name: "TUI",
            dependencies: nio + ["Core", "CNcurses", "CTerminal", argumentParser, logging],
            path: "Sources/TUI", exclude: ["Main"], swiftSettings: settings),
        .executableTarget(
            name: "TUIMain", dependencies: ["Core", "TUI", argumentParser], path: "Sources/TUI/Main",
            swiftSettings: settings),

        .target(name: "TestSupport", dependencies: nio + ["Core"], path: "Tests/TestSupport", swiftSettings: settings),
        .testTarget(
            name: "CoreTests", dependencies: ["Core", "TestSupport"], exclude: ["Golden"], swiftSettings: settings),
        .testTarget(
            name: "CloudTests",
            dependencies: ["Cloud", "TestSupport", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: settings),
        .testTarget(name: "AgentTests", dependencies: ["Agent", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "TUITests", dependencies: ["TUI", "TestSupport"], exclude: ["Screens"], swiftSettings: settings),
    ]
)
