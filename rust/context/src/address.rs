// SPDX-License-Identifier: Apache-2.0

//! The peer's address.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// Network and text of an address, as Go's `net.Addr` gives them.
///
/// ```
/// use otapbridge_context::{BlockBuilder, RequestContext};
///
/// let mut block = BlockBuilder::new();
/// block.address("tcp", "[2001:db8::1]:4317");
/// let context = RequestContext::new(block.build()?);
/// let peer = context.address().expect("a peer");
/// assert_eq!(peer.ip(), Some("2001:db8::1".parse().expect("an IP")));
/// assert_eq!(peer.socket_addr().map(|peer| peer.port()), Some(4317));
///
/// block.address("unix", "/run/otlp.sock");
/// let local = RequestContext::new(block.build()?);
/// let peer = local.address().expect("a peer");
/// assert_eq!((peer.ip(), peer.text), (None, "/run/otlp.sock"));
/// # Ok::<(), otapbridge_context::ProcessingError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address<'a> {
    /// Such as "tcp", "ip", "unix".
    pub network: &'a str,
    /// Such as "192.0.2.1:4317", "[fe80::1%eth0]:4317", "2001:db8::1", "/run/otlp.sock".
    pub text: &'a str,
}

impl Address<'_> {
    /// The IP alone, without port and zone. `None` for unix sockets and names.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket_addr().map(|address| address.ip())
    }

    /// IP and port; the port is 0 if the text has none, as with HTTP peers in the
    /// collector. A numeric zone becomes the scope id, a named one is left out.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        if self.network.starts_with("unix") {
            return None;
        }
        if let Ok(address) = self.text.parse() {
            return Some(address);
        }
        if let Some(rest) = self.text.strip_prefix('[') {
            let (host, after) = rest.split_once(']')?;
            let port = match after.strip_prefix(':') {
                Some(port) => port.parse().ok()?,
                None if after.is_empty() => 0,
                None => return None,
            };
            return with_zone(host, port);
        }
        with_zone(self.text, 0)
    }
}

fn with_zone(host: &str, port: u16) -> Option<SocketAddr> {
    let Some((ip, zone)) = host.split_once('%') else {
        return Some(SocketAddr::new(host.parse().ok()?, port));
    };
    let scope_id = zone.parse().unwrap_or(0);
    let ip = ip.parse().ok()?;
    Some(SocketAddrV6::new(ip, port, 0, scope_id).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(network: &str, text: &str) -> (Option<String>, Option<String>) {
        let address = Address { network, text };
        (
            address.ip().map(|ip| ip.to_string()),
            address.socket_addr().map(|address| address.to_string()),
        )
    }

    #[test]
    fn every_form_that_go_writes() {
        for (network, text, ip, socket) in [
            ("tcp", "192.0.2.1:4317", "192.0.2.1", "192.0.2.1:4317"),
            (
                "tcp",
                "[2001:db8::1]:4317",
                "2001:db8::1",
                "[2001:db8::1]:4317",
            ),
            ("tcp", "[fe80::1%eth0]:4317", "fe80::1", "[fe80::1]:4317"),
            ("tcp", "[fe80::1%3]:4317", "fe80::1", "[fe80::1%3]:4317"),
            ("ip", "192.0.2.1", "192.0.2.1", "192.0.2.1:0"),
            ("ip", "2001:db8::1", "2001:db8::1", "[2001:db8::1]:0"),
            ("ip", "fe80::1%eth0", "fe80::1", "[fe80::1]:0"),
            ("udp", "[::1]", "::1", "[::1]:0"),
        ] {
            let expected = (Some(ip.to_owned()), Some(socket.to_owned()));
            assert_eq!(read(network, text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_ip_is_none() {
        for (network, text) in [
            ("unix", "/run/otlp.sock"),
            ("unix", "192.0.2.1"),
            ("unixgram", "@abstract"),
            ("tcp", "host.example:4317"),
            ("tcp", "[::1]x"),
            ("tcp", "[::1]:99999"),
            ("tcp", "[::1"),
            ("tcp", "192.0.2.1%eth0"),
            ("tcp", ""),
        ] {
            assert_eq!(read(network, text), (None, None), "{text}");
        }
    }
}
