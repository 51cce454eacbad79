//! What is wrong with a form of the office is told the same way everywhere: above the form, each line with the label of its
//! field and a link to it, and at the field; what was typed is kept, and the first wrong field has the focus.

use super::*;

/// The fields that the lines above a form lead to, and what they say.
fn lines(answer: &Answer) -> Vec<(&str, &str)> {
    let (_, rest) = answer.body.split_once("class=\"problems\"").unwrap_or_else(|| panic!("{}", answer.body));
    let lines = rest.split("</ul>").next().unwrap().split("href=\"#").skip(1);
    lines
        .map(|line| {
            let (field, rest) = line.split_once('"').unwrap();
            (field, rest.split_once('>').unwrap().1.split("</a>").next().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn every_form_of_the_office_names_its_wrong_fields_by_label_and_leads_there() {
    for house in houses().await {
        house.subscribe("ann@example.org").await;
        let mut conn = house.app.db.conn().await.unwrap();
        let email = EmailAddress::parse("ann@example.org").unwrap();
        let id = subscribers::find(&mut conn, &email).await.unwrap().unwrap().id;
        drop(conn);
        let person = |deed: &str| format!("/office/subscribers/{id}/{deed}");
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let long = "x".repeat(400);
        let invited = [("email", "nobody"), ("name", long.as_str())];
        let added = [("newsletter", "brief"), ("email", "bo"), ("consent", "given"), ("words", "")];
        let edited = [("email", "ann"), ("name", "Ann"), ("language", "klingon?"), ("zone", "Mars")];
        let paused = [("act", "pause"), ("newsletter", "brief"), ("until", "2020-01-01")];
        let chosen = [("act", "choose"), ("newsletter", "brief"), ("hour", "25:00")];
        let on_topics = [("new", "!!!")];
        let scheduled = [("do", "add"), ("at", "noon"), ("days", "daily"), ("timezone", "UTC")];
        type Case<'c> = (String, &'c [(&'c str, &'c str)], &'c [(&'c str, &'c str)]);
        let forms: [Case<'_>; 13] = [
            (
                "/office/newsletters".to_owned(),
                &[("name", ""), ("slug", "x y")],
                &[
                    ("new-name", "Name: A newsletter needs a name"),
                    ("new-slug", "Slug: “x y” does not do"),
                    ("new-from", "From: The e-mail address is empty"),
                    ("new-language", "Language: “” is not a language tag"),
                    ("new-timezone", "Time zone: “” is not a time zone"),
                ],
            ),
            (
                "/office/newsletters/brief".to_owned(),
                &[("name", "Brief"), ("max-articles", "0")],
                &[("max-articles", "Most articles: “0” is not a number from 1 to 200.")],
            ),
            (
                "/office/newsletters/brief/topics".to_owned(),
                &on_topics,
                &[("new", "A new topic: “!!!” cannot be a topic")],
            ),
            (
                "/office/newsletters/brief/schedules".to_owned(),
                &scheduled,
                &[("at", "Time: “noon” is not a time of day")],
            ),
            ("/office/dkim".to_owned(), &[("domain", "nowhere")], &[("key-domain", "Domain: “nowhere”")]),
            (
                "/office/users/invite".to_owned(),
                &invited,
                &[
                    ("email", "E-mail address: “nobody” is not an e-mail address"),
                    ("name", "Name: The name is longer than"),
                    ("roles", "Choose what they may do"),
                ],
            ),
            (
                "/office/subscribers/add".to_owned(),
                &added,
                &[
                    ("email", "E-mail address: “bo” is not an e-mail address"),
                    ("words", "What they agreed to, and how: Say what they agreed to"),
                ],
            ),
            (
                "/office/suppressions".to_owned(),
                &[("email", "nobody")],
                &[("add-email", "The address: “nobody” is not an e-mail address")],
            ),
            (
                "/office/suppressions".to_owned(),
                &[("email", "bo@example.org"), ("reason", &long)],
                &[("add-reason", "Why, for the record: The reason has 400 characters")],
            ),
            (
                person("edit"),
                &edited,
                &[
                    ("email", "E-mail address: “ann” is not an e-mail address"),
                    ("language", "Language: “klingon?” is not a language"),
                    ("zone", "Time zone: “Mars” is not a time zone"),
                ],
            ),
            (person("subscription"), &paused, &[("until-brief", "")]),
            (person("subscription"), &chosen, &[("hour-brief", "“25:00” is not a time of day")]),
            (person("tag"), &[("tag", "")], &[("tag", "")]),
        ];
        for (path, fields, told) in forms {
            let refused = house.submit_as(&admin, &path, fields).await;
            let body = &refused.body;
            assert_eq!(refused.status, 422, "{path}: {body}");
            let lines = lines(&refused);
            assert_eq!(lines.len(), told.len(), "{path}: {lines:?}");
            for ((field, says), (wanted, begins)) in lines.iter().zip(told) {
                assert!(field == wanted && says.starts_with(begins), "{path}: {field}: {says}");
                assert!(body.contains(&format!("id=\"{field}\"")), "{path}: nothing is at {field}: {body}");
            }
            assert_eq!(body.matches(" autofocus").count(), 1, "{path}: {body}");
            assert!(body.contains("<title>Problem: "), "{path}");
            for (_, value) in fields.iter().filter(|(name, value)| {
                told.iter().any(|(field, _)| field.ends_with(name)) && value.len() > 3
            }) {
                assert!(
                    body.contains(&format!("value=\"{value}\"")) || *value == "2020-01-01",
                    "{path}: {value}"
                );
            }
        }
        house.close().await;
    }
}
