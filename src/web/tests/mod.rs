//! The pages through the real router, over a real connection, on every database.

mod abuse;
mod archive;
mod asking;
mod browser_sessions;
mod desk;
mod desk_composing;
mod desk_inbox;
mod desk_introduction;
mod desk_issue;
mod desk_pictures;
mod desk_revising;
mod desk_starting;
mod desk_today;
mod framed;
mod headers;
mod hostile;
mod leaving;
mod listing;
mod mailbox;
mod measuring;
mod office_add_person;
mod office_audit;
mod office_bulk;
mod office_forms;
mod office_import;
mod office_log;
mod office_people;
mod office_reach;
mod office_suppressions;
mod office_users;
mod one_time_links;
mod pages;
mod readers;
mod readers_address;
mod readers_again;
mod readers_next;
mod recovery_codes;
mod refusals;
mod roles;
mod scanners;
mod second_factor;
mod sending;
mod signing_in;
mod workshop_calendar;
mod workshop_newsletters;
mod workshop_relays;
mod workshop_sources;
mod workshop_templates;

use reqwest::{Client, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::config::Networks;
use crate::db::testing::a_newsletter;
use crate::db::{newsletters, notices, subscribers, subscriptions};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::{Recurrence, Slots, TimeOfDay, Timestamp};
use crate::domain::delivery::Next;
use crate::domain::newsletter::Schedule;
use crate::domain::notice::Notice;
use crate::domain::token::{SigningKey, Token};
use crate::domain::user::Role;
use crate::pipeline::testing::{TestApp, apps};
use crate::pipeline::{App, accounts};

/// A Saturday morning.
const NOW: &str = "2026-11-21T09:00:00Z";
const HOUR: i64 = 60 * 60 * 1000;
const FORM: &str = "application/x-www-form-urlencoded";

/// A running service with the newsletter `brief`, and a browser.
struct House {
    app: App,
    client: Client,
    base: String,
    brief: i64,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
    _test: TestApp,
}

/// One service on each database.
async fn houses() -> Vec<House> {
    let mut houses = vec![];
    for test in apps().await {
        houses.push(open(test).await);
    }
    houses
}

async fn open(test: TestApp) -> House {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut app = test.app.clone();
    app.settings.public_url = base.clone();
    app.clock.set(Timestamp::parse(NOW).unwrap());
    let brief = a_newsletter(&app.db, "brief").await;
    let (stop, stopped) = oneshot::channel::<()>();
    let until = async move {
        let _ = stopped.await;
    };
    let served = tokio::spawn(super::serve(listener, Networks::default(), super::router(app.clone()), until));
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    House { app, client, base, brief, stop: Some(stop), served, _test: test }
}

/// An answer, read to its end.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    body: String,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.text().await.unwrap() }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn urlencoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

impl House {
    async fn get(&self, path: &str) -> Answer {
        Answer::of(self.client.get(format!("{}{path}", self.base)).send().await.unwrap()).await
    }

    async fn post(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.client.post(format!("{}{path}", self.base)).header("content-type", content_type);
        Answer::of(request.body(body).send().await.unwrap()).await
    }

    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post(path, FORM, urlencoded(fields)).await
    }

    async fn sign_up(&self, email: &str) -> Answer {
        self.submit("/subscribe", &[("email", email), ("newsletter", "brief")]).await
    }

    /// Signs up, follows the mail's link, presses the button, and takes the welcome out of the queue.
    async fn subscribe(&self, email: &str) -> String {
        self.sign_up(email).await;
        let mails = self.mails().await;
        assert_eq!(self.post(&confirm_path(&mails), FORM, "").await.status, 200);
        let mails = self.mails().await;
        let Some((_, Notice::Welcome(welcome))) = mails.first() else { panic!("no welcome: {mails:?}") };
        path_of(&welcome.unsubscribe_url)
    }

    /// Every mail queued since the last call, as its address and content, the oldest first.
    async fn mails(&self) -> Vec<(String, Notice)> {
        let mut conn = self.app.db.conn().await.unwrap();
        let now = self.app.clock.now();
        let claimed = notices::claim(&mut conn, "test", now, 1000).await.unwrap();
        for notice in &claimed {
            let sent = notices::Attempt { next: Next::Sent, attempts: 1, detail: "250 ok" };
            notices::record(&mut conn, "test", notice.id, &sent, now).await.unwrap();
        }
        let read = |notice: &notices::Notice| {
            (notice.email.to_string(), serde_json::from_str(&notice.content).unwrap())
        };
        claimed.iter().map(read).collect()
    }

    /// What the database holds about an address: subscriptions with everything that happened to them.
    async fn stored(&self, email: &str) -> Vec<subscriptions::Stored> {
        let mut conn = self.app.db.conn().await.unwrap();
        let email = EmailAddress::parse(email).unwrap();
        let Some(subscriber) = subscribers::find(&mut conn, &email).await.unwrap() else { return vec![] };
        subscriptions::of_subscriber(&mut conn, subscriber.id).await.unwrap()
    }

    /// The status of each of an address's subscriptions.
    async fn statuses(&self, email: &str) -> Vec<&'static str> {
        self.stored(email).await.iter().map(|stored| stored.subscription.status.as_str()).collect()
    }

    async fn schedule(&self, newsletter_id: i64, name: &str, days: &str, at: &str) -> i64 {
        let schedule = Schedule {
            id: 0,
            newsletter_id,
            name: name.to_owned(),
            slots: Slots {
                recurrence: Recurrence::parse(days).unwrap(),
                at: TimeOfDay::parse(at).unwrap(),
                zone: chrono_tz::Europe::Paris,
            },
            paused: false,
            starts_at: Timestamp::from_millis(0),
        };
        let mut conn = self.app.db.conn().await.unwrap();
        newsletters::insert_schedule(&mut conn, &schedule).await.unwrap()
    }

    fn pass(&self, millis: i64) {
        self.app.clock.set(self.app.clock.now().plus_millis(millis));
    }

    fn leave_path(&self, subscription_id: i64) -> String {
        format!("/unsubscribe/{}", self.app.key.sign(&Token::Leave { subscription_id }))
    }

    /// Stops the service and waits for its end.
    async fn close(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        drop(self.client);
        self.served.await.unwrap().unwrap();
    }
}

fn path_of(url: &str) -> String {
    url::Url::parse(url).unwrap().path().to_owned()
}

/// The path of the link in the first mail, which asks to confirm.
fn confirm_path(mails: &[(String, Notice)]) -> String {
    let Some((_, Notice::Confirm(confirm))) = mails.first() else { panic!("no confirmation: {mails:?}") };
    path_of(&confirm.confirm_url)
}

/// Somebody who is signed in, as their browser shows it: what to send as `Cookie`, and as `token` in a form.
struct Person {
    cookie: String,
    token: String,
}

impl House {
    /// Signs in somebody new, who may this everywhere.
    async fn sign_in(&self, email: &str, role: Role) -> Person {
        let email = EmailAddress::parse(email).unwrap();
        let id = accounts::add(&self.app, &email, "", Some(role)).await.unwrap();
        let value = accounts::start_session(&self.app, id, "a test", "192.0.2.1").await.unwrap();
        let (account, _) = accounts::of_cookie(&self.app, &value).await.unwrap().unwrap();
        Person { cookie: format!("daybreak={value}"), token: accounts::form_token(&self.app, &account) }
    }

    async fn get_as(&self, person: &Person, path: &str) -> Answer {
        let request = self.client.get(format!("{}{path}", self.base)).header("cookie", &person.cookie);
        Answer::of(request.send().await.unwrap()).await
    }

    /// Sends a form as a page of ours does.
    async fn submit_as(&self, person: &Person, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut fields = fields.to_vec();
        fields.push(("token", &person.token));
        let request = self.client.post(format!("{}{path}", self.base)).header("cookie", &person.cookie);
        let request = request.header("origin", &self.base).header("content-type", FORM);
        Answer::of(request.body(urlencoded(&fields)).send().await.unwrap()).await
    }
}
