//! What every step works with: the settings, the clock, the database, the key that signs tokens, the templates.

use crate::clock::Clock;
use crate::config::Settings;
use crate::db::{self, Db};
use crate::domain::calendar::Timestamp;
use crate::domain::token::SigningKey;
use crate::pipeline::deliver::relay::RelayStates;
use crate::pipeline::measuring::Visits;
use crate::pipeline::pages::Pages;
use crate::pipeline::{Error, templates};
use crate::render::{Renderer, TemplateError};

/// What every command and every role works with.
#[derive(Clone, Debug)]
pub struct App {
    pub settings: Settings,
    pub clock: Clock,
    pub db: Db,
    pub key: SigningKey,
    pub renderer: Renderer,
    /// How the relays are, as far as this process knows.
    pub relays: RelayStates,
    /// What readers follow now.
    pub visits: Visits,
    /// Public pages of issues, and turns to render.
    pub pages: Pages,
}

impl App {
    /// Opens the database and brings its tables up to date.
    pub async fn open(settings: Settings) -> Result<Self, Error> {
        let clock = clock(&settings)?;
        super::subscribe::check_list(&settings).await.map_err(Error::Invalid)?;
        let renderer = renderer(&settings)?;
        let db = Db::open(settings.database_url.reveal()).await?;
        db.migrate().await?;
        let key = signing_key(&db).await?;
        let app = Self {
            settings,
            clock,
            db,
            key,
            renderer,
            relays: RelayStates::default(),
            visits: Visits::default(),
            pages: Pages::default(),
        };
        templates::refresh(&app).await?;
        Ok(app)
    }
}

/// The templates; an operator's own are rendered with made-up content, so that a fault is known before an issue is due.
fn renderer(settings: &Settings) -> Result<Renderer, Error> {
    let renderer = Renderer::new(settings.templates.as_deref())?;
    let problems = if settings.templates.is_some() { renderer.check() } else { vec![] };
    match problems.is_empty() {
        true => Ok(renderer),
        false => Err(TemplateError { problems }.into()),
    }
}

fn clock(settings: &Settings) -> Result<Clock, Error> {
    let Some(start) = &settings.clock else { return Ok(Clock::system()) };
    let start = Timestamp::parse(start).ok_or_else(|| {
        Error::Invalid(format!("DAYBREAK_CLOCK: “{start}” is not a time like 2026-03-29T00:30:00Z"))
    })?;
    Ok(Clock::starting_at(start))
}

/// The key that signs tokens: made on first start, then always the same.
async fn signing_key(db: &Db) -> Result<SigningKey, Error> {
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh)
        .map_err(|error| Error::Io(format!("the system gives no randomness: {error}")))?;
    let kept = {
        let mut conn = db.conn().await?;
        match db::settings::get(&mut conn, "signing_key").await? {
            Some(kept) => kept,
            None => db::settings::get_or_put(&mut conn, "signing_key", &SigningKey::encode(&fresh)).await?,
        }
    };
    SigningKey::parse(&kept).ok_or_else(|| {
        Error::Invalid(
            "the signing key in the database (settings, signing_key) is damaged: restore it".to_owned(),
        )
    })
}
