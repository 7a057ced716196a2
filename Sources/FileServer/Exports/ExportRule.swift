/// Some clients of an export, and what they may do: `client(options)` of exports(5).
package struct ExportRule: Hashable, Sendable {
    package var client: ClientPattern
    package var options: ExportOptions

    package init(client: ClientPattern, options: ExportOptions) {
        self.client = client
        self.options = options
    }
}
