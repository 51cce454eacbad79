//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use crate::config::Settings;

/// Where a request comes from: the connection's other end, or whom a proxy of ours says that it asks for.
///
/// Each proxy appends whom it was asked by, so the entries are believed from the right, for as long as proxies of ours
/// wrote them: anybody can write those further to the left.
pub fn network_address(settings: &Settings, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
    let mut from = peer.ip().to_canonical();
    let fields = headers.get_all("x-forwarded-for").iter().map(|field| field.to_str().unwrap_or("?"));
    let all = fields.collect::<Vec<_>>().join(",");
    let mut entries = all.rsplit(',');
    while settings.is_proxy(from) {
        let Some(before) = entries.next().and_then(entry) else { break };
        from = before;
    }
    from
}

/// An entry of the field: an address, with a port or without (`1.2.3.4:5678`, `[2001:db8::1]:80`).
fn entry(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().or_else(|_| with_port()).ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Defaults {
        #[command(flatten)]
        settings: Settings,
    }

    fn from(proxies: &str, peer: &str, forwarded: &[&str]) -> String {
        let settings = Defaults::parse_from(["test", "--trusted-proxies", proxies]).settings;
        let mut headers = HeaderMap::new();
        for field in forwarded {
            headers.append("x-forwarded-for", field.parse().unwrap());
        }
        network_address(&settings, peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_a_proxy_on_this_machine_is_believed_unless_others_are_named() {
        let said = ["198.51.100.1, 203.0.113.7"];
        assert_eq!(from("", "127.0.0.1:9", &said), "203.0.113.7");
        assert_eq!(from("", "192.0.2.5:9", &said), "192.0.2.5");
        assert_eq!(from("", "[::ffff:192.0.2.5]:9", &said), "192.0.2.5");
        assert_eq!(from("10.0.0.0/8", "10.1.2.3:9", &said), "203.0.113.7");
        assert_eq!(from("10.0.0.0/8", "192.0.2.5:9", &said), "192.0.2.5");
    }

    #[test]
    fn the_last_entry_that_no_proxy_of_ours_is_counts() {
        let proxies = "10.0.0.0/8";
        assert_eq!(from(proxies, "127.0.0.1:9", &["6.6.6.6, 203.0.113.7", "10.0.0.9"]), "203.0.113.7");
        assert_eq!(from(proxies, "127.0.0.1:9", &["10.0.0.7"]), "10.0.0.7");
        assert_eq!(from(proxies, "127.0.0.1:9", &[]), "127.0.0.1");
    }

    #[test]
    fn an_entry_may_have_a_port_and_nonsense_ends_the_search() {
        assert_eq!(from("", "127.0.0.1:9", &["203.0.113.7:5678"]), "203.0.113.7");
        assert_eq!(from("", "127.0.0.1:9", &["[2001:db8::1]:80"]), "2001:db8::1");
        assert_eq!(from("", "127.0.0.1:9", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(from("", "127.0.0.1:9", &["203.0.113.7, not an address"]), "127.0.0.1");
        assert_eq!(from("10.0.0.1", "127.0.0.1:9", &["203.0.113.7, unknown, 10.0.0.1"]), "10.0.0.1");
    }
}
