//! Where a request really comes from, behind proxies that we trust or without any.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use app::access::Origin;
use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;
use http::{Extensions, HeaderMap};
use ipnet::IpNet;

use super::request::RequestId;
use super::web::Web;

/// The client's address; `None` only in tests without a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

impl FromRequestParts<Web> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Infallible> {
        let trusted = &web.trusted_proxies;
        Ok(Self::of(&parts.extensions, &parts.headers, trusted))
    }
}

impl ClientAddress {
    pub(super) fn of(extensions: &Extensions, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() else {
            return Self(None);
        };
        let hops = headers
            .get_all("x-forwarded-for")
            .iter()
            // By bytes: one that is no text must not hide the hops beside it.
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(read_hop);
        // Whose word counts for nothing isn't even read.
        let hops: Vec<Option<IpAddr>> = if trusted.is_empty() {
            Vec::new()
        } else {
            hops.collect()
        };
        Self(Some(rightmost_untrusted(peer.ip(), &hops, trusted)))
    }

    /// Whose budget a request spends.
    pub fn network(self) -> Option<IpAddr> {
        self.0.map(network)
    }
}

/// What one client is to limits: an IPv4 address, or the /64 of an IPv6 address, for a provider
/// gives each customer at least one of those and leaves the addresses in it to them.
pub(super) fn network(address: IpAddr) -> IpAddr {
    const NETWORK_BITS: u128 = !(u64::MAX as u128);
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK_BITS).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// An address, with or without a port (RFC 7239, 6 writes them so); `None` for anything else.
fn read_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    let with_port = || hop.parse().ok().map(|address: SocketAddr| address.ip());
    bare.parse().ok().or_else(with_port)
}

/// Where a request came from, for the audit log.
pub async fn origin(parts: &mut Parts, web: &Web) -> Origin {
    let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(parts, web).await;
    let request_id = parts.extensions.get::<RequestId>();
    Origin {
        address,
        request_id: request_id.map(|id| id.0),
    }
}

/// The rightmost address that isn't a trusted proxy's: all to the left of it can be made up.
fn rightmost_untrusted(peer: IpAddr, hops: &[Option<IpAddr>], trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut client = peer.to_canonical();
    for hop in hops.iter().rev() {
        if !is_trusted(client) {
            break;
        }
        match hop {
            Some(address) => client = address.to_canonical(),
            None => break,
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, hops: &[&str], trusted: &[&str]) -> String {
        let hops: Vec<_> = hops.iter().map(|hop| hop.parse().ok()).collect();
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        rightmost_untrusted(peer.parse().unwrap(), &hops, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"], &[]), "203.0.113.9");
        let proxies = ["10.0.0.0/8"];
        assert_eq!(
            client("10.0.0.1", &["198.51.100.1"], &proxies),
            "198.51.100.1"
        );
        let forged = ["192.0.2.66", "198.51.100.1", "10.0.0.2"];
        assert_eq!(client("10.0.0.1", &forged, &proxies), "198.51.100.1");
        assert_eq!(
            client("203.0.113.9", &["198.51.100.1"], &proxies),
            "203.0.113.9"
        );
        assert_eq!(client("10.0.0.1", &["nonsense"], &proxies), "10.0.0.1");
        assert_eq!(client("::ffff:203.0.113.9", &[], &[]), "203.0.113.9");
    }

    #[test]
    fn a_customer_of_a_provider_is_one_client_whatever_addresses_it_takes() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:3::1"), "2001:db8:1:3::");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
