/// PROXY protocol headers, as a forwarder sends them.
package enum ProxyHeader {
    /// Version 2, command PROXY, TCP over IPv4 ("The PROXY protocol", section 2.2).
    ///
    /// - Parameters:
    ///   - source: The client's IPv4 address in dotted form, and its port.
    ///   - destination: The address and port that the client dialled.
    package static func version2(
        source: (address: String, port: UInt16), destination: (address: String, port: UInt16)
    ) -> [UInt8] {
        let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
        let addresses = octets(source.address) + octets(destination.address)
        let ports = [source.port, destination.port].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
        return signature + [0x21, 0x11, 0, UInt8(addresses.count + ports.count)] + addresses + ports
    }

    private static func octets(_ address: String) -> [UInt8] {
        address.split(separator: ".").compactMap { UInt8($0) }
    }
}
