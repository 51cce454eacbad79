//! A test of an issue to oneself and colleagues.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::{Opened, Page};
use crate::domain::address::EmailAddress;
use crate::domain::user::Role;
use crate::pipeline::App;
use crate::pipeline::start::By;
use crate::pipeline::test_mail::{self, MOST_TESTERS, Tested};
use crate::web::Error;
use crate::web::auth::{Act, SignedIn};
use crate::web::desk;
use crate::web::form::Segment;

#[derive(Serialize)]
struct TestPage {
    /// As it was typed; at first the editor's own address.
    to: String,
    problem: String,
    most: usize,
    results: Vec<Said>,
}

#[derive(Serialize)]
struct Said {
    to: String,
    word: &'static str,
    class: &'static str,
    said: String,
}

impl From<Tested> for Said {
    fn from(tested: Tested) -> Self {
        let (word, class) = if tested.is_taken { ("taken", "good") } else { ("not taken", "bad") };
        Self { to: tested.to.to_string(), word, class, said: tested.said }
    }
}

/// `GET /desk/issues/{id}/test`
pub async fn show(State(app): State<App>, by: SignedIn, Segment(id): Segment) -> Result<Response, Error> {
    let opened = Opened::find(&app, &by, &id, Role::Editor, "issue.test").await?;
    let own = by.user.email.to_string();
    page(&by, &opened, StatusCode::OK, own, String::new(), vec![])
}

/// `POST /desk/issues/{id}/test`
pub async fn send(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let Act { by, form } = act;
    let opened = Opened::find(&app, &by, &id, Role::Editor, "issue.test").await?;
    let typed = form.get("to").to_owned();
    let wrong =
        |why: String| page(&by, &opened, StatusCode::UNPROCESSABLE_ENTITY, typed.clone(), why, vec![]);
    let to = match addresses(&typed) {
        Ok(to) => to,
        Err(why) => return wrong(why),
    };
    let from = By { user: &by.user, network: &by.network };
    match test_mail::tests(&app, from, opened.issue.id, &to).await {
        Ok(tested) => {
            let results = tested.into_iter().map(Said::from).collect();
            page(&by, &opened, StatusCode::OK, typed.clone(), String::new(), results)
        }
        Err(crate::pipeline::Error::Invalid(why)) => wrong(why),
        Err(error) => Err(error.into()),
    }
}

/// The addresses in a text, each once: by lines, commas, semicolons or spaces.
fn addresses(typed: &str) -> Result<Vec<EmailAddress>, String> {
    let mut found = vec![];
    for word in typed.split([',', ';', ' ', '\n', '\r', '\t']).filter(|word| !word.is_empty()) {
        let address = EmailAddress::parse(word)?;
        if !found.contains(&address) {
            found.push(address);
        }
        if found.len() > MOST_TESTERS {
            return Err(format!("These are more than {MOST_TESTERS} addresses: a test is for colleagues."));
        }
    }
    match found.is_empty() {
        true => Err("Write at least one address.".to_owned()),
        false => Ok(found),
    }
}

fn page(
    by: &SignedIn,
    opened: &Opened,
    status: StatusCode,
    to: String,
    problem: String,
    results: Vec<Said>,
) -> Result<Response, Error> {
    let page = TestPage { to, problem, most: MOST_TESTERS, results };
    let title = format!("Test: {}", opened.name());
    let page = Page { head: opened.head("test"), own: &page };
    desk::show(by, status, "/desk/issues", &title, "desk/sending/test", &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_however_they_are_written() {
        let to = addresses("ann@example.org, ben@example.org;\r\nann@example.org cy@example.org").unwrap();
        assert_eq!(to.len(), 3);
        assert!(addresses(" ,\n").unwrap_err().contains("at least one"));
        assert!(addresses("ann").is_err());
        let many: Vec<String> = (0..11).map(|index| format!("a{index}@example.org")).collect();
        assert!(addresses(&many.join("\n")).unwrap_err().contains("more than 10"));
    }
}
