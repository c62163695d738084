/// What a request must look like; everything stated must hold.
package struct RouteMatch: Equatable, Sendable {
    /// Any of these; empty means every host. Lower case, without a port.
    package var hosts: [HostPattern]
    /// nil means every path.
    package var path: PathPattern?

    package init(hosts: [HostPattern] = [], path: PathPattern? = nil) {
        self.hosts = hosts
        self.path = path
    }
}

package enum HostPattern: Hashable, Sendable {
    case exact(String)
    /// `*.shop.example` as `shop.example`: one or more labels before it.
    case suffix(String)
}

package enum PathPattern: Hashable, Sendable {
    /// The whole path, without the query, byte for byte.
    case exact(String)
    /// The path begins with these bytes.
    case prefix(String)
}
