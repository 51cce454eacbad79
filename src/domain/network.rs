//! What counts as one network.

use core::net::IpAddr;

/// What counts as one network where something is limited: an IPv4 address, or the 64 bits of an IPv6 address that one
/// customer has at least (RFC 6177 §2). None for this machine: behind a proxy that does not say for whom it asks,
/// everybody would share one limit.
pub fn counted_network(address: IpAddr) -> Option<String> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(address.to_string()),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_is_one_network_and_this_machine_is_none() {
        let counted = |address: &str| counted_network(address.parse().unwrap());
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), counted("2001:db8:1:2::9"));
        assert_ne!(counted("2001:db8:1:2::9"), counted("2001:db8:1:3::9"));
        assert_eq!(counted("::ffff:192.0.2.7"), Some("192.0.2.7".to_owned()));
        assert_eq!((counted("127.0.0.1"), counted("::1")), (None, None));
    }
}
