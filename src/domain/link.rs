//! Links and titles as identities: which two articles are the same, which two tell the same story.
//!
//! [`canonical`] is what links are compared by; it is never shown and never fetched, so it may drop what only servers
//! and statistics care about. [`same_story`] compares titles of different sources, where links cannot agree.

use url::Url;

mod story;

pub use story::{Story, same_story, story_key};

/// Parameters that only tell a publisher where a click came from. The list is closed: a parameter that is not known
/// to be tracking may be the article's number, and dropping it would make two articles one.
const TRACKING: [&str; 48] = [
    // Click identifiers that ad networks and social sites append: Facebook, Google, Microsoft, Yandex, X, TikTok,
    // Instagram, LinkedIn, Snapchat, Pinterest, Reddit, Kwai, Impact.
    "fbclid",
    "gclid",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "srsltid",
    "msclkid",
    "yclid",
    "ysclid",
    "twclid",
    "ttclid",
    "igshid",
    "igsh",
    "li_fat_id",
    "sccid",
    "epik",
    "rdt_cid",
    "kwai_click_id",
    "irclickid",
    // Google Analytics' own cross-domain marks.
    "_ga",
    "_gl",
    // Mailing services: Mailchimp, HubSpot, Marketo, Vero, Omeda, Klaviyo, Bluecore, Emarsys.
    "mc_cid",
    "mc_eid",
    "_hsenc",
    "_hsmi",
    "hsctatracking",
    "mkt_tok",
    "vero_id",
    "vero_conv",
    "oly_enc_id",
    "oly_anon_id",
    "_kx",
    "bxid",
    "sc_cid",
    // Publishers' channel marks: BBC, MSN, New York Times, Guardian, French sites (AT Internet), German ones
    // (Webtrekk), Spiegel, CNN.
    "ocid",
    "smid",
    "smtyp",
    "cmp",
    "xtor",
    "wt_mc",
    "wt_zmc",
    "cmpid",
    "ito",
    "ref_src",
    "ref_url",
    "ftag",
    "sara_ecid",
];

/// Families of tracking parameters: Urchin (Google Analytics), Matomo, Piwik, BBC and AT Internet, ComScore, HubSpot
/// ads.
const TRACKING_PREFIXES: [&str; 7] = ["utm_", "mtm_", "pk_", "at_", "ns_", "hsa_", "stm_"];

/// Parameters that are tracking only when they name a channel: `ref=rss` is, `ref=main` or `source=un-report-12` is
/// not.
const CHANNEL_NAMES: [&str; 8] = ["ref", "source", "src", "from", "via", "partner", "emc", "feature"];
const CHANNELS: [&str; 16] = [
    "rss",
    "rss_feed",
    "rssfeed",
    "feed",
    "feeds",
    "atom",
    "email",
    "mail",
    "newsletter",
    "twitter",
    "facebook",
    "social",
    "share",
    "homepage",
    "hp",
    "push",
];

/// The form of a web link that identifies an article: two links with the same form lead to the same story.
///
/// `https://Example.org:443/News/?utm_source=x&b=2&a=1#top` and `http://www.example.org/News?a=1&b=2` both become
/// `https://example.org/News?a=1&b=2`. None for anything but http and https. Idempotent.
///
/// - `http` and `https` are one, and so is a leading `www.`: publishers move between them and redirect, and no
///   publisher is known to keep different stories there. Credentials, fragment and ports 80 and 443 go.
/// - Parameters that are only tracking go; the others are sorted, because the order of a form's fields means nothing
///   to a server while link builders change it.
/// - A trailing slash goes; upper and lower case in path and query stay, because servers tell them apart.
/// - Percent-encoded letters, digits, `-._~` are decoded and other escapes written in capitals (RFC 3986 §6.2.2).
pub fn canonical(url: &str) -> Option<String> {
    let url = Url::parse(url.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let host = url.host_str()?.trim_end_matches('.');
    let host = strip_www(host);
    let mut canonical = format!("https://{host}");
    if let Some(port) = url.port().filter(|port| !matches!(port, 80 | 443)) {
        canonical.push_str(&format!(":{port}"));
    }
    let path = normalise_escapes(url.path());
    let path = path.trim_end_matches('/');
    canonical.push_str(if path.is_empty() { "/" } else { path });

    let mut parameters: Vec<String> = url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|parameter| !parameter.is_empty() && !is_tracking(parameter))
        .map(|parameter| normalise_escapes(&parameter.replace('+', "%20")))
        .collect();
    parameters.sort();
    if !parameters.is_empty() {
        canonical.push('?');
        canonical.push_str(&parameters.join("&"));
    }
    Some(canonical)
}

/// A link that may be followed and shown: http or https, without the name and password that may stand in it
/// (`https://ann:secret@example.org/`); None for any other kind.
pub fn web_link(mut url: Url) -> Option<Url> {
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    // Neither fails for a link that has a host.
    (is_web && url.set_username("").is_ok() && url.set_password(None).is_ok()).then_some(url)
}

/// Whether a link can identify an article: the root of a site cannot, for every story of a careless feed links there.
pub fn is_identity(url: &str) -> bool {
    let Some(parsed) = canonical(url).and_then(|canonical| Url::parse(&canonical).ok()) else { return false };
    parsed.path() != "/" || parsed.query().is_some()
}

/// `www.www.example.org` loses both, so that a second pass finds nothing to do; `www.com` is a name of its own.
fn strip_www(host: &str) -> &str {
    let mut host = host;
    while let Some(rest) = host.strip_prefix("www.").filter(|rest| rest.contains('.')) {
        host = rest;
    }
    host
}

fn is_tracking(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let name = normalise_escapes(name).to_ascii_lowercase();
    TRACKING.contains(&name.as_str())
        || TRACKING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || (CHANNEL_NAMES.contains(&name.as_str()) && CHANNELS.contains(&value.to_ascii_lowercase().as_str()))
}

/// RFC 3986 §6.2.2.1–2: capitals in escapes, no escape for what needs none; a `%` that begins no escape is escaped.
fn normalise_escapes(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        normal.push_str(&rest[..at]);
        let digits = bytes.get(text.len() - rest.len() + at + 1..).unwrap_or_default();
        match digits {
            [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let hex = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0);
                let byte = u8::try_from(hex(*high) * 16 + hex(*low)).unwrap_or(0);
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    normal.push(char::from(byte));
                } else {
                    normal.push_str(&format!("%{byte:02X}"));
                }
                rest = &rest[at + 3..];
            }
            _ => {
                normal.push_str("%25");
                rest = &rest[at + 1..];
            }
        }
    }
    normal.push_str(rest);
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn links_to_one_story_have_one_canonical_form() {
        let same = [
            ("https://Example.org/News", "http://www.example.org:80/News/"),
            ("https://example.org/a?b=2&a=1", "https://example.org/a?a=1&b=2#comments"),
            ("https://example.org/a", "https://example.org/a?utm_source=rss&utm_medium=feed&fbclid=Iw"),
            ("https://example.org/a", "https://user:secret@example.org/a?"),
            ("https://example.org/caf%C3%A9", "https://example.org/caf%c3%a9"),
            ("https://example.org/caf%C3%A9", "https://example.org/café"),
            ("https://example.org/~me", "https://example.org/%7Eme"),
            ("https://example.org/a?q=x%20y", "https://example.org/a?q=x+y"),
            ("https://example.org/a?id=1", "https://example.org/a?id=1&ref=rss&at_medium=RSS"),
            ("https://bücher.example/a", "https://xn--bcher-kva.example/a"),
            ("https://example.org/", "http://www.example.org"),
        ];
        for (one, other) in same {
            assert_eq!(canonical(one), canonical(other), "{one} and {other}");
            assert!(canonical(one).is_some(), "{one}");
        }
    }

    #[test]
    fn links_to_different_stories_stay_apart() {
        let different = [
            ("https://example.org/a?id=1", "https://example.org/a?id=2"),
            ("https://example.org/a", "https://example.org/A"),
            ("https://example.org/a", "https://news.example.org/a"),
            ("https://example.org/a?ref=main", "https://example.org/a"),
            ("https://example.org/a?source=12", "https://example.org/a"),
            ("https://example.org:8080/a", "https://example.org/a"),
            ("https://example.org/a%2Fb", "https://example.org/a/b"),
        ];
        for (one, other) in different {
            assert_ne!(canonical(one), canonical(other), "{one} and {other}");
        }
    }

    #[test]
    fn only_web_links_are_canonical() {
        for link in
            ["", "mailto:a@example.org", "javascript:alert(1)", "ftp://example.org/a", "/relative", "http://"]
        {
            assert_eq!(canonical(link), None, "{link}");
        }
    }

    #[test]
    fn a_link_to_show_has_no_password() {
        let shown = |link: &str| web_link(Url::parse(link).expect("a link")).map(String::from);
        assert_eq!(shown("https://ann:secret@example.org/a").as_deref(), Some("https://example.org/a"));
        assert_eq!(shown("http://ann@example.org:81/a").as_deref(), Some("http://example.org:81/a"));
        assert_eq!(shown("https://example.org/@ann").as_deref(), Some("https://example.org/@ann"));
        for other in ["javascript:alert(1)", "mailto:ann@example.org", "ftp://example.org/", "data:,x"] {
            assert_eq!(shown(other), None, "{other}");
        }
    }

    #[test]
    fn a_sites_root_identifies_no_article() {
        for link in [
            "https://example.org",
            "http://www.example.org/?utm_source=rss",
            "https://example.org/#top",
            "nonsense",
        ] {
            assert!(!is_identity(link), "{link}");
        }
        for link in ["https://example.org/a", "https://example.org/?p=12"] {
            assert!(is_identity(link), "{link}");
        }
    }

    proptest! {
        #[test]
        fn canonical_never_panics(text in ".*") {
            let _ = canonical(&text);
            let _ = is_identity(&text);
        }

        #[test]
        fn canonical_is_idempotent(
            scheme in "https?", host in "(www\\.){0,2}[a-z]{1,8}\\.(org|com|co\\.uk)", port in "(:(80|443|8080))?",
            rest in "[/a-zA-Z0-9%.?&=+#é~ :@!$'()*,;-]{0,40}",
        ) {
            let link = format!("{scheme}://{host}{port}/{rest}");
            let Some(once) = canonical(&link) else { return Ok(()) };
            prop_assert_eq!(canonical(&once), Some(once.clone()));
        }

        #[test]
        fn tracking_never_changes_the_canonical_form(
            path in "[a-z/]{0,12}", query in "([a-z]{1,3}=[a-z0-9]{0,3}&){0,3}", index in 0..TRACKING.len(),
            family in 0..TRACKING_PREFIXES.len(), value in "[a-zA-Z0-9_-]{0,12}",
        ) {
            let plain = format!("https://example.org/{path}?{query}");
            let tracked = format!("{plain}{}={value}&{}x={value}", TRACKING[index], TRACKING_PREFIXES[family]);
            prop_assert_eq!(canonical(&plain), canonical(&tracked));
        }
    }
}
