//! The demo's two newsletters, as an editor would set them up.

use super::readers::{BRIEF, REVUE};
use crate::pipeline::newsletters::NewNewsletter;

/// A newsletter with its schedules and the word of its editor in today's issue.
pub struct Title {
    pub slug: &'static str,
    name: &'static str,
    from: &'static str,
    zone: &'static str,
    language: &'static str,
    settings: &'static [&'static str],
    /// Hours and days; the first is what readers get who chose none.
    pub schedules: &'static [(&'static str, &'static str)],
    /// What readers agreed to.
    pub consent: &'static str,
    pub introduction: &'static str,
}

pub const TITLES: [Title; 2] = [
    Title {
        slug: BRIEF,
        name: "Morning Brief",
        from: "Morning Brief <brief@port-ellery.example>",
        zone: "Europe/Paris",
        language: "en",
        settings: &[
            "description=What happened in Port Ellery while you slept, in a dozen stories and five minutes.",
            "reply-to=desk@port-ellery.example",
            "postal-address=Morning Brief, 12 North Quay, Port Ellery",
            "editors=desk@port-ellery.example",
            "topics=City, Business, Science, Culture, Sport",
            "max-articles=12",
            "cutoff-minutes=0",
        ],
        schedules: &[("07:00", "daily"), ("09:00", "sat")],
        consent: "Yes, send me the Morning Brief. I can leave at any time.",
        introduction: "Good morning. Everybody will talk about the ferry today, so we begin with it: what a berth \
                       costs, where to book it, and why it pays this time.\n\nFor the way to work there is a tide \
                       gauge on which a cat once slept, and for the evening a play with a kettle. If you can spare \
                       a day and a night, somebody is needed to read out “fog” at four in the morning.",
    },
    Title {
        slug: REVUE,
        name: "Revue de l’aube",
        from: "Revue de l’aube <bonjour@sainte-luce.example>",
        zone: "America/Montreal",
        language: "fr",
        settings: &[
            "description=Ce qui se passe et ce qui se pense sur la rive nord, chaque matin avec le premier café.",
            "postal-address=Revue de l’aube, 3, rue des Tanneurs, Sainte-Luce-des-Vents",
            "editors=redaction@sainte-luce.example",
            "topics=Cité, Idées, Sciences, Culture, Saveurs",
            "colour=#1f5f8b",
            "cutoff-minutes=0",
        ],
        schedules: &[("06:30", "daily")],
        consent: "Oui, envoyez-moi la Revue de l’aube. Je peux me désabonner à tout moment.",
        introduction: "Bonjour. Le pont couvert a rouvert, et l’on y marche au pas, comme autrefois. Nous avons \
                       suivi les premiers promeneurs jusqu’à l’autre rive.\n\nPlus loin dans ce numéro : dix jours \
                       d’avance pour les oies, mille ans dans neuf mètres de vase, et une question pour ce soir, à \
                       onze heures, quand les réverbères s’éteignent.",
    },
];

impl From<&Title> for NewNewsletter {
    fn from(title: &Title) -> Self {
        Self {
            slug: title.slug.to_owned(),
            name: title.name.to_owned(),
            from: title.from.to_owned(),
            timezone: title.zone.to_owned(),
            language: title.language.to_owned(),
            settings: title.settings.iter().map(|pair| (*pair).to_owned()).collect(),
        }
    }
}
