//! Which addresses a call may go to, and the resolver that enforces it.
//!
//! Public unicast addresses are allowed; everything with a special meaning (IANA special-purpose registries,
//! RFC 6890) is refused unless the configuration lists its network. An IPv6 address that carries an IPv4 one
//! (mapped, compatible, NAT64, 6to4, Teredo) is refused whatever it carries, because what it reaches depends
//! on a translator that is not ours.
// INVARIANT: a name is looked up once per connection, and only the addresses checked here are connected to,
// so a name server that changes its answer between check and use gains nothing.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs as _},
    sync::{Arc, LazyLock},
};

use async_trait::async_trait;
use ipnet::IpNet;
use tokio::sync::Semaphore;
use url::Host;

use super::error::{CallError, Refusal};

/// Look-ups of the operating system at the same time. Each holds a thread until the system gives up, whoever still
/// waits for it; a name server that never answers must not take the threads that others need.
const LOOKUPS_AT_ONCE: usize = 32;
/// Addresses of one answer that are looked at.
const MOST_ADDRESSES: usize = 64;

/// Turns a host name into addresses.
#[async_trait]
pub trait Lookup: Send + Sync {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        static LOOKUPS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(LOOKUPS_AT_ONCE)));
        let permit = Arc::clone(&LOOKUPS).acquire_owned().await.map_err(io::Error::other)?;
        let host = host.to_owned();
        let look_up = move || {
            let _permit = permit;
            Ok((host.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect())
        };
        tokio::task::spawn_blocking(look_up).await.map_err(io::Error::other)?
    }
}

/// The special-purpose addresses that one target may have all the same.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    allow: Vec<IpNet>,
}

impl AddressPolicy {
    pub fn new(allow: &[IpNet]) -> Self {
        Self { allow: allow.to_vec() }
    }

    pub fn permits(&self, address: IpAddr) -> bool {
        is_public(address) || self.allow.iter().any(|network| network.contains(&address))
    }

    /// The permitted ones of `addresses`.
    ///
    /// # Errors
    /// None is permitted.
    pub fn filter(&self, host: &str, addresses: &[IpAddr]) -> Result<Vec<IpAddr>, Refusal> {
        let permitted: Vec<_> = addresses.iter().copied().filter(|address| self.permits(*address)).collect();
        if permitted.is_empty() {
            let listed = addresses.iter().take(4).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(Refusal::Address { host: host.to_owned(), addresses: listed });
        }
        Ok(permitted)
    }

    /// Whether `host` may be asked for as far as it can be told without looking it up.
    ///
    /// # Errors
    /// A literal address that is not permitted.
    pub fn check_literal<S: std::fmt::Display>(&self, host: &Host<S>) -> Result<(), Refusal> {
        match host {
            Host::Domain(_) => Ok(()),
            Host::Ipv4(address) => self.filter(&address.to_string(), &[IpAddr::V4(*address)]).map(drop),
            Host::Ipv6(address) => self.filter(&address.to_string(), &[IpAddr::V6(*address)]).map(drop),
        }
    }
}

/// True for addresses that mean one host on the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

const fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, ..)              // this network, private, loopback
            | (100, 64..=127, _)        // carrier-grade NAT, RFC 6598
            | (169, 254, _)             // link-local, and the metadata services of clouds
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)           // protocol assignments, documentation
            | (192, 31, 196) | (192, 52, 193) | (192, 175, 48) // AS112, AMT
            | (192, 88, 99)             // 6to4 relays, withdrawn
            | (192, 168, _)
            | (198, 18..=19, _)         // benchmarking, RFC 2544
            | (198, 51, 100) | (203, 0, 113) // documentation
            | (224..=255, ..) // multicast, reserved, broadcast
    )
}

const fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    // Global unicast is 2000::/3; loopback, mapped, compatible, NAT64, ULA, link-local and multicast lie outside.
    if s[0] & 0xe000 != 0x2000 {
        return false;
    }
    !matches!(
        (s[0], s[1], s[2]),
        (0x2001, 0..0x0200, _)       // protocol assignments: Teredo, benchmarking, ORCHID
            | (0x2001, 0x0db8, _)    // documentation
            | (0x2002, ..)           // 6to4 carries an IPv4 address
            | (0x2620, 0x004f, 0x8000) // AS112
            | (0x3fff, 0..0x1000, _) // documentation, RFC 9637
    )
}

/// The addresses of `host` that may be connected to: looked up once, a literal one not at all.
pub(super) async fn resolve(host: &Host<&str>, policy: &AddressPolicy, lookup: &Arc<dyn Lookup>) -> Result<Vec<IpAddr>, CallError> {
    let (name, mut found) = match host {
        Host::Ipv4(address) => (address.to_string(), vec![IpAddr::V4(*address)]),
        Host::Ipv6(address) => (address.to_string(), vec![IpAddr::V6(*address)]),
        Host::Domain(name) => {
            let found = lookup.lookup(name).await.map_err(|why| CallError::NotSent(format!("`{name}` cannot be looked up: {why}")))?;
            ((*name).to_owned(), found)
        }
    };
    if found.is_empty() {
        return Err(CallError::NotSent(format!("`{name}` has no address")));
    }
    found.truncate(MOST_ADDRESSES);
    Ok(policy.filter(&name, &found)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_unicast_addresses_are_permitted_by_default() {
        let policy = AddressPolicy::default();
        for bad in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "169.254.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.31.196.1",
            "192.52.193.1",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.255.255",
            "192.175.48.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:10.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2620:4f:8000::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ] {
            assert!(!policy.permits(bad.parse().unwrap()), "{bad}");
        }
        for good in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860::8888",
        ] {
            assert!(policy.permits(good.parse().unwrap()), "{good}");
        }
    }

    #[test]
    fn a_listed_network_is_permitted_and_nothing_beside_it() {
        let policy = AddressPolicy::new(&["10.20.0.0/16".parse().unwrap()]);
        assert!(policy.permits("10.20.3.4".parse().unwrap()));
        assert!(!policy.permits("10.21.0.1".parse().unwrap()));
        assert!(!policy.permits("::ffff:10.20.3.4".parse().unwrap()), "another way to write it is another address");
    }

    #[test]
    fn of_a_mixed_answer_only_the_permitted_addresses_remain() {
        let addresses = ["10.0.0.1".parse().unwrap(), "1.1.1.1".parse().unwrap()];
        assert_eq!(AddressPolicy::default().filter("h", &addresses).unwrap(), [addresses[1]]);
        assert!(AddressPolicy::default().filter("h", &addresses[..1]).unwrap_err().to_string().contains("10.0.0.1"));
    }
}
