//! Networks, as a setting names them.

use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that begin with the same bits, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    first: IpAddr,
    bits: u32,
}

/// The bits of an address, from the highest on, and how many it has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(text, length)| (text, Some(length)));
        let first = address.parse::<IpAddr>().ok()?.to_canonical();
        let most = bits(first).1;
        let bits = length.map_or(Some(most), |length| length.parse().ok().filter(|bits| *bits <= most))?;
        Some(Self { first, bits })
    }

    fn contains(self, address: IpAddr) -> bool {
        let ((own, own_most), (other, other_most)) = (bits(self.first), bits(address));
        // A shift by all of its bits is none for a number.
        let differ = (own ^ other).checked_shr(128 - self.bits).unwrap_or(0);
        own_most == other_most && differ == 0
    }
}

/// Several networks, as a setting names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }
}

impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = text.split([' ', ',']).filter(|word| !word.is_empty());
        let networks = words.map(|word| {
            Network::parse(word).ok_or_else(|| {
                format!("“{word}” is neither an address nor a network, such as 192.0.2.7 or 10.0.0.0/8")
            })
        });
        networks.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_told_by_its_first_bits() {
        let networks: Networks = "10.0.0.0/8, 192.0.2.7 2001:db8::/33".parse().unwrap();
        let has = |address: &str| networks.contains(address.parse().unwrap());
        assert!(has("10.255.0.1") && has("::ffff:10.1.2.3") && has("192.0.2.7") && has("2001:db8:7fff::1"));
        assert!(!has("11.0.0.1") && !has("192.0.2.6") && !has("2001:db8:8000::1") && !has("a00::1"));
        let all: Networks = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.7".parse().unwrap()) && !all.contains("::2".parse().unwrap()));
        assert!(!Networks::default().contains("127.0.0.1".parse().unwrap()));
        for wrong in ["10.0.0.0/33", "10.0.0/8", "proxy.example", "10.0.0.0/-1", "::1/129"] {
            assert!(wrong.parse::<Networks>().unwrap_err().contains(wrong), "{wrong}");
        }
    }
}
