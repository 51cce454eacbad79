//! What the tests of the desk share: a newsletter that fills, and a browser that fills in the editor's page.

use super::*;
use crate::pipeline::accounts::Actor;
use crate::pipeline::articles::{self, Added, ByHand};
use crate::pipeline::{compose, newsletters as set_up};

/// A form's fields, as a page came with them.
pub type Fields = Vec<(String, String)>;

impl House {
    /// `brief` comes out every day at 07:00 in Paris; the id of the issue that is filling.
    pub async fn daily(&self) -> i64 {
        let settings = ["name=Morning Brief".to_owned(), "topics=World, Sport".to_owned()];
        set_up::set(&self.app, &Actor::command_line(), "brief", &settings).await.unwrap();
        set_up::add_schedule(
            &self.app,
            &Actor::command_line(),
            "brief",
            None,
            "07:00",
            Some("Europe/Paris"),
            "daily",
        )
        .await
        .unwrap();
        self.fill().await
    }

    /// One pass of the scheduler; the id of the issue that is filling.
    pub async fn fill(&self) -> i64 {
        compose::compose(&self.app).await.unwrap();
        let drafts = crate::db::issues::drafts_of(&mut self.app.db.conn().await.unwrap(), self.brief).await;
        drafts.unwrap().first().expect("an issue is filling").id
    }

    /// Adds an article by hand, a minute after the one before, and lets it go in.
    pub async fn article(&self, title: &str, topics: &[&str]) -> i64 {
        self.pass(60_000);
        let url = format!("https://planet.example/{}", title.to_lowercase().replace(' ', "-"));
        let summary = Some(format!("All about {title}."));
        let new = ByHand { title: title.to_owned(), url: Some(url), summary, ..ByHand::default() };
        let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let added =
            articles::add(&self.app, "brief", &articles::by_hand(new).unwrap(), &topics).await.unwrap();
        let (Added::New(article) | Added::Known(article)) = added;
        compose::compose(&self.app).await.unwrap();
        article.id
    }

    /// The titles of what the issue holds, in order.
    pub async fn holds(&self, issue: i64) -> Vec<String> {
        let mut conn = self.app.db.conn().await.unwrap();
        let articles = crate::db::articles::of_issue(&mut conn, issue).await.unwrap();
        articles.into_iter().map(|article| article.title).collect()
    }

    /// The editor's page, as a form.
    pub async fn open_issue(&self, person: &Person, issue: i64) -> Fields {
        let page = self.get_as(person, &format!("/desk/issues/{issue}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        fields(&page.body)
    }

    /// Sends the editor's page with a button.
    pub async fn send_issue(&self, person: &Person, issue: i64, fields: &Fields, button: &str) -> Answer {
        let mut fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.retain(|(name, _)| *name != "token");
        fields.push(("do", button));
        self.submit_as(person, &format!("/desk/issues/{issue}"), &fields).await
    }
}

/// Types over a field.
pub fn type_in(fields: &mut Fields, name: &str, text: &str) {
    match fields.iter_mut().find(|(field, _)| field == name) {
        Some((_, value)) => *value = text.to_owned(),
        None => fields.push((name.to_owned(), text.to_owned())),
    }
}

/// The hidden inputs, ticks and texts of the form `compose`, in the order of the page.
pub fn fields(html: &str) -> Fields {
    let form = html.split("<form id=\"compose\"").nth(1).expect("the page has the editor's form");
    let form = form.split("</form>").next().unwrap();
    let mut fields = vec![];
    for tag in form.split('<').skip(1) {
        let attribute = |name: &str| {
            let value = tag.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?;
            Some(unescape(value))
        };
        let name = attribute("name");
        let is_ticked = tag.starts_with("input type=\"checkbox\"") && tag.contains(" checked");
        if tag.starts_with("input type=\"hidden\"") || is_ticked {
            fields.push((name.unwrap(), attribute("value").unwrap()));
        } else if tag.starts_with("textarea") {
            let text = tag.split_once('>').unwrap().1;
            let text = text.strip_prefix('\n').unwrap_or(text);
            // Browsers send line ends of their own.
            fields.push((name.unwrap(), unescape(text).replace('\n', "\r\n")));
        }
    }
    fields
}

pub fn unescape(text: &str) -> String {
    let text = text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&#x27;", "'");
    text.replace("&#x60;", "`").replace("&#x3D;", "=").replace("&amp;", "&")
}
