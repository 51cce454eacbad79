//! What a browser calls itself, as its owner would.

use serde::Serialize;

/// A browser and what it runs on, for instance `Firefox` on `Linux`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Browser {
    name: &'static str,
    system: &'static str,
}

/// The word in a `User-Agent`, and the name: what claims to be several stands before what it claims to be.
const NAMES: [(&str, &str); 8] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
];
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "a Mac"),
    ("Macintosh", "a Mac"),
    ("CrOS", "a Chromebook"),
    ("Linux", "Linux"),
];

impl Browser {
    pub fn of(agent: &str) -> Self {
        let find =
            |all: &[(&str, &'static str)]| all.iter().find(|(word, _)| agent.contains(word)).map(|it| it.1);
        Self {
            name: find(&NAMES).unwrap_or("A browser"),
            system: find(&SYSTEMS).unwrap_or("an unknown system"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_named_as_its_owner_would() {
        for (agent, name, system) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox", "Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge",
                "Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19 Safari/604",
                "Safari",
                "an iPhone",
            ),
            ("curl/8.0", "A browser", "an unknown system"),
        ] {
            assert_eq!(Browser::of(agent), Browser { name, system });
        }
    }
}
