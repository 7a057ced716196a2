import ArgumentParser
package import Logging

/// `--log-level`, the same for every daemon. Logs go to standard error, a line each.
package struct LogOptions: ParsableArguments {
    @Option(
        name: .long,
        help: "What is logged: trace, debug, info, notice, warning, error or critical, and all that is worse.",
        transform: { text in
            guard let level = Logger.Level(rawValue: text) else { throw ValidationError("'\(text)' is no log level") }
            return level
        })
    package var logLevel = Logger.Level.info

    package init() {}

    package func logger(_ label: String) -> Logger {
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: label)
        logger.logLevel = logLevel
        return logger
    }
}
