//! The service's parts for tests, on a fresh database of each kind.

use clap::Parser;

use crate::clock::Clock;
use crate::config::Settings;
use crate::db::testing::{TestDb, databases};
use crate::domain::calendar::Timestamp;
use crate::domain::token::SigningKey;
use crate::pipeline::App;
use crate::pipeline::deliver::relay::RelayStates;
use crate::pipeline::measuring::Visits;
use crate::pipeline::pages::Pages;
use crate::render::Renderer;

#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    settings: Settings,
}

/// An app whose clock stands at 2026-03-29T06:00:00Z, and the database that it works on.
pub struct TestApp {
    pub app: App,
    _database: TestDb,
}

pub fn now() -> Timestamp {
    Timestamp::parse("2026-03-29T06:00:00Z").expect("it is a time")
}

/// One app for each kind of database.
pub async fn apps() -> Vec<TestApp> {
    let of = |database: TestDb| {
        let settings = Defaults::parse_from(["test"]).settings;
        let renderer = Renderer::new(None).expect("the built-in templates are sound");
        let key = SigningKey::new(&[7; 32]);
        let relays = RelayStates::default();
        let app = App {
            settings,
            clock: Clock::fixed(now()),
            db: database.db.clone(),
            key,
            renderer,
            relays,
            visits: Visits::default(),
            pages: Pages::default(),
        };
        TestApp { app, _database: database }
    };
    databases().await.into_iter().map(of).collect()
}
