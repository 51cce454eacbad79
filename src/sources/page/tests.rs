//! Pages by hand, one for each thing that real ones do; and the sample pages, where they are.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::domain::calendar::Timestamp;
use crate::sources::dates::parse_date;

const STORY: &str = "<p>The ferry left the harbour of Example at noon with twelve people on board, and nobody has heard of it since \
    then, the coast guard said.</p><p>Three ships were searching the strait on Tuesday evening, while the wind was rising and \
    the families waited at the pier for news of the crew.</p><p>“We will not stop before they are found,” said the \
    mayor, who had come to the harbour with the first of the search parties.</p>";

fn read(html: &str) -> Result<FoundArticle, PageError> {
    let url = Url::parse("https://www.planet.example/news/ferry").expect("a link");
    extract_page(html.as_bytes(), Some("text/html; charset=utf-8"), Some(&url))
}

fn article(head: &str, body: &str) -> FoundArticle {
    let html = format!("<!DOCTYPE html><html lang=en><head>{head}</head><body>{body}</body></html>");
    read(&html).unwrap_or_else(|error| panic!("{error}: {head}"))
}

fn time(text: &str) -> Option<Timestamp> {
    Some(Timestamp::parse(text).expect("a date"))
}

#[test]
fn json_ld_tells_most() {
    let found = article(
        r#"<title>Ferry missing - Daily Planet</title><script type="application/ld+json">//<![CDATA[
        {"@context": "https://schema.org", "@graph": [{"@type": "Organization", "name": "Daily Planet"}, {"@type": ["NewsArticle"],
        "headline": "Ferry missing with twelve &amp; crew", "author": [{"@type": "Person", "name": "By Ann Lee"}, {"name": "Bo Ek"}],
        "datePublished": "2026-01-13T10:05:00+01:00", "dateModified": "2026-01-13T11:00:00Z", "inLanguage": "en-gb",
        "description": "Twelve people are missing.", "image": {"@type": "ImageObject", "url": "/ferry.jpg"}, "articleSection": "Sea"}]}
        //]]></script>"#,
        &format!("<article><h1>Ferry missing with twelve &amp; crew</h1>{STORY}</article>"),
    );
    assert_eq!(found.title, "Ferry missing with twelve & crew");
    assert_eq!(found.author.as_deref(), Some("Ann Lee, Bo Ek"));
    assert_eq!(
        (found.published_at, found.modified_at),
        (time("2026-01-13T09:05:00Z"), time("2026-01-13T11:00:00Z"))
    );
    assert_eq!(found.summary, "Twelve people are missing.");
    assert_eq!(found.image_url.as_deref(), Some("https://www.planet.example/ferry.jpg"));
    assert_eq!(found.categories, ["Sea"]);
    assert_eq!(found.url.as_deref(), Some("https://www.planet.example/news/ferry"));
    assert!(
        found.body_html.starts_with("<p>The ferry left") && found.body_html.matches("<p>").count() == 3,
        "{}",
        found.body_html
    );
}

#[test]
fn neither_passwords_nor_nul_come_out_of_a_page() {
    let head = r#"<title>Fer\0ry</title><meta property="og:image" content="https://ann:secret@example.org/a.png">
        <script type="application/ld+json">{"@type": "NewsArticle", "headline": "A\u0000b", "articleSection": "x\u0000y",
        "articleBody": "STORY", "author": "Ann\u0000 Lee"}</script>"#;
    let head =
        head.replace("STORY", &"A sentence\\u0000 that is long enough. ".repeat(20)).replace("\\0", "\0");
    let html = format!("<html><head>{head}</head><body><p>{STORY}\0</p></body></html>");
    let url = Url::parse("https://ann:secret@example.org/a").expect("a link");
    let fetched = extract_page(html.as_bytes(), None, Some(&url)).expect("an article");
    let saved =
        html.replace("<title>", "<link rel=canonical href='https://ann:secret@example.org/a'><title>");
    let saved = extract_page(saved.as_bytes(), None, None).expect("an article");
    let pasted = from_pasted_text(&format!(
        "Ferry\0 missing at sea\nhttps://ann:secret@example.org/a\n\n{}\0",
        to_text(STORY)
    ))
    .expect("an article");
    for found in [fetched, saved, pasted] {
        assert_eq!(found.url.as_deref(), Some("https://example.org/a"));
        let written = format!("{found:?}");
        assert!(!written.contains("\\0") && !written.contains("secret"), "{written}");
    }
}

#[test]
fn other_words_are_read_too() {
    let open_graph = article(
        "<meta property='og:title' content='Ferry missing | Daily Planet'><meta property='og:site_name' content='Daily Planet'>
         <meta property='article:author' content='https://facebook.com/planet'><meta name='author' content='Ann Lee'>
         <meta property='article:published_time' content='2026-01-13T10:05:00Z'><meta property='og:description' content='Twelve.'>
         <meta property='og:image' content='https://planet.example/f.jpg'><meta property='og:image:alt' content='A ferry'>",
        STORY,
    );
    assert_eq!((open_graph.title.as_str(), open_graph.author.as_deref()), ("Ferry missing", Some("Ann Lee")));
    assert_eq!(
        (open_graph.published_at, open_graph.summary.as_str()),
        (time("2026-01-13T10:05:00Z"), "Twelve.")
    );
    assert_eq!(
        (open_graph.image_alt.as_deref(), open_graph.language.as_deref()),
        (Some("A ferry"), Some("en"))
    );

    let dublin_core = article(
        "<meta name='DC.title' content='Ferry missing'><meta name='DC.creator' content='Ann Lee'><meta name='DC.date' content='2026-01-13'>",
        STORY,
    );
    assert_eq!(
        (dublin_core.title.as_str(), dublin_core.author.as_deref()),
        ("Ferry missing", Some("Ann Lee"))
    );
    assert_eq!(dublin_core.published_at, time("2026-01-13T00:00:00Z"));

    let elements = article(
        "<title>Ferry missing in the strait – Planet</title>",
        &format!("<article><h1>Ferry missing in the strait</h1><p class=byline>By <a rel=author href=/a>Ann Lee</a> on 13 January 2026</p>
                  <time datetime='2026-01-13T10:05:00Z'>today</time>{STORY}</article><aside><time datetime='2020-01-01'></time></aside>"),
    );
    assert_eq!(
        (elements.title.as_str(), elements.author.as_deref()),
        ("Ferry missing in the strait", Some("Ann Lee"))
    );
    assert_eq!(elements.published_at, time("2026-01-13T10:05:00Z"));
    assert!(
        !elements.body_html.contains("Ann Lee") && elements.summary.starts_with("The ferry left"),
        "{}",
        elements.body_html
    );
}

#[test]
fn a_saved_page_tells_its_own_link() {
    let html = format!(
        "<html><head><link rel=canonical href='https://planet.example/ferry'><title>Ferry</title></head><body>{STORY}</body></html>"
    );
    let found = extract_page(html.as_bytes(), None, None).expect("an article");
    assert_eq!(found.url.as_deref(), Some("https://planet.example/ferry"));
    assert_eq!(found.language.as_deref(), Some("en"), "guessed from the text");
}

#[test]
fn furniture_is_left_out() {
    let found = article(
        "<title>Ferry missing in the strait</title><meta property=og:type content=article>",
        &format!(
            "<nav>Home News</nav><article><h1>Ferry missing in the strait</h1>
             <ul class=post-facts><li>Post author:Ann</li><li>Post last modified:January 13, 2026</li></ul>
             <div class='share-buttons'><a href=/f>Facebook</a> <a href=/t>Twitter</a></div><h2>Ferry missing in the strait</h2>
             <div>Sharing articles</div>{STORY}<p>Subscribe to our newsletter for daily updates.</p><p>Lire aussi : La mer</p>
             <p>Read also: <a href=/x>Storm ahead</a></p><p>Share this:</p>
             <h3>Related articles</h3><ul><li><a href=/1>Another ferry</a></li><li><a href=/2>A third ferry</a></li></ul></article>
             <div id=comments><p>First! I knew it.</p></div><div class=cookie-note>We use cookies. Accept</div><footer>Imprint</footer>"
        ),
    );
    let text = to_text(&found.body_html);
    for furniture in [
        "Home",
        "Post author",
        "modified",
        "Facebook",
        "Sharing",
        "Ferry missing",
        "Subscribe",
        "Lire aussi",
        "Read also",
        "Share",
        "Related",
        "Another ferry",
        "third ferry",
        "First!",
        "cookies",
        "Imprint",
    ] {
        assert!(!text.contains(furniture), "{furniture} in {text}");
    }
    assert_eq!(text.matches("\n\n").count(), 2, "{text}");
}

#[test]
fn a_story_within_a_form_or_named_boxes_is_found() {
    let form = article(
        "<title>Ferry missing in the strait</title>",
        &format!("<form id=aspnetForm><div class=meta-box>{STORY}</div></form>"),
    );
    assert_eq!(form.body_html.matches("<p>").count(), 3, "{}", form.body_html);
    let parts: String = [
        "One sentence of the story stands alone here.",
        "Another one of much the same length follows it.",
        "The third has the end.",
    ]
    .iter()
    .map(|text| format!("<div class='elementor-widget elementor-widget-text-editor'><p>{text}</p></div>"))
    .collect();
    let boxed = article(
        "<title>Ferry missing in the strait</title><meta property=og:type content=article>",
        &format!("<main>{parts}</main>"),
    );
    assert_eq!(boxed.body_html.matches("<p>").count(), 3, "{}", boxed.body_html);
}

#[test]
fn what_is_no_article_is_explained() {
    let url = Url::parse("https://planet.example/").expect("a link");
    let read =
        |bytes: &[u8], kind: &str| extract_page(bytes, Some(kind), Some(&url)).map(|found| found.title);
    assert_eq!(read(b"", "text/html"), Err(PageError::Empty));
    assert_eq!(read(b" \n ", "text/html"), Err(PageError::Empty));
    assert_eq!(read(b"<html><body></body></html>", "text/html"), Err(PageError::NoArticle));
    assert_eq!(read(b"%PDF-1.7 x", "text/html"), Err(PageError::NotAPage { what: "a PDF document" }));
    assert_eq!(read(b"\x89PNG\r\n", "text/html"), Err(PageError::NotAPage { what: "an image" }));
    assert_eq!(read(b"x", "image/svg+xml"), Err(PageError::NotAPage { what: "an image" }));
    assert!(matches!(read(b"<rss version='2.0'></rss>", "text/xml"), Err(PageError::NotAPage { .. })));
    assert!(matches!(read(b"only words", "text/plain"), Err(PageError::NotAPage { .. })));
    let sign_in = b"<html><title>Sign in</title><form><p>Please sign in to read on.</p><input name=u><input type=password></form></html>";
    assert_eq!(read(sign_in, "text/html"), Err(PageError::SignIn));
    let list = format!("<html><body>{}</body></html>", "<a href=/1>One headline</a> ".repeat(3));
    assert_eq!(read(list.as_bytes(), "text/html"), Err(PageError::NoArticle));
}

#[test]
fn charsets_are_read() {
    let html = format!(
        "<html><head><meta charset=iso-8859-1><title>Été à Orléans</title></head><body>{}</body></html>",
        STORY.replace(['“', '”'], "\"")
    );
    let bytes = encoding_rs::WINDOWS_1252.encode(&html).0;
    assert_eq!(extract_page(&bytes, None, None).expect("an article").title, "Été à Orléans");
}

#[test]
fn pathological_pages_end_in_time() {
    let started = tokio::time::Instant::now();
    let nested =
        format!("<html><body>{}x{}</body></html>", "<div>".repeat(100_000), "</div>".repeat(100_000));
    assert_eq!(read(&nested), Err(PageError::TooDeep));
    assert_eq!(read(&"<table><tr><td>".repeat(50_000)), Err(PageError::TooDeep));
    let deep = "<div>".repeat(500) + STORY + &"</div>".repeat(500);
    assert!(read(&deep).is_ok());
    for page in [
        STORY.repeat(1_000),
        "<p>".repeat(100_000),
        "<a href=x>y</a> ".repeat(20_000),
        "<b><p>".repeat(400),
        format!("<p>{}</p>", "word ".repeat(100_000)),
        "<li class=share>x".repeat(30_000),
    ] {
        let _ = read(&page);
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

/// Compares the samples with what the Readability project expects of a good extractor, and prints the table.
#[test]
fn the_sample_pages_are_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/pages");
    if !folder.is_dir() {
        println!("skipped: there are no sample pages at ../shared/samples/pages");
        return;
    }
    let mut table = String::new();
    let mut wrong = Vec::new();
    for name in ["bbc-1", "folha", "guardian-1", "lemonde-1", "rtl-1", "wordpress"] {
        let file = |file: &str| std::fs::read(folder.join(name).join(file)).expect("a sample");
        let expected: serde_json::Value =
            serde_json::from_slice(&file("expected-metadata.json")).expect("JSON");
        let found =
            extract_page(&file("source.html"), None, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expect = |field: &str| expected[field].as_str().map(str::to_owned);
        let primary = |tag: String| tag.split('-').next().unwrap_or_default().to_owned();
        let published =
            expect("publishedTime").and_then(|date| parse_date(&date)).map(|date| date.to_string());
        let excerpt = |text: String| text.chars().take(60).collect::<String>();
        // Where nothing is expected, finding more is no fault. A title may lack the author behind it.
        let rows = [
            ("title", expect("title"), Some(found.title.clone())),
            ("byline", expect("byline"), found.author.clone()),
            ("lang", expect("lang").map(primary), found.language.clone().map(primary)),
            ("published", published, found.published_at.map(|date| date.to_string())),
            ("excerpt", expect("excerpt").map(excerpt), Some(excerpt(found.summary.clone()))),
        ];
        for (field, expected, found) in rows {
            let is_right = expected.is_none()
                || expected == found
                || (field == "title"
                    && expected
                        .as_ref()
                        .zip(found.as_ref())
                        .is_some_and(|(long, short)| long.starts_with(short.as_str())));
            let _ = writeln!(
                table,
                "{name:11} {field:10} {} {} | {}",
                if is_right { "ok " } else { "BAD" },
                expected.unwrap_or_default(),
                found.unwrap_or_default()
            );
            if !is_right {
                wrong.push(format!("{name} {field}"));
            }
        }
        let text = to_text(&found.body_html);
        assert!(text.chars().count() > 800, "{name}: {text}");
        for furniture in [
            "Share this",
            "Related Topics",
            "Leave a Reply",
            "Sign up",
            "Abonnez-vous",
            "Compartilhar",
            "cookies",
            "Advertisement",
        ] {
            assert!(!text.contains(furniture), "{name}: {furniture}");
        }
        assert!(found.body_html.matches("<p>").count() >= 3, "{name}");
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{wrong:?}");
}

proptest! {
    #[test]
    fn any_bytes_can_be_tried(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = extract_page(&bytes, None, None);
    }

    #[test]
    fn any_page_like_text_can_be_tried(parts in proptest::collection::vec(prop_oneof![
        Just("<html>"), Just("<p>"), Just("</p>"), Just("<div class=share>"), Just("</div>"), Just("<table><td>"), Just("<h1>Title</h1>"),
        Just("<script type=application/ld+json>{\"@type\":\"Article\",\"author\":[[{}]]}</script>"), Just("<meta property=og:title content='"),
        Just("'>"), Just("<svg><title>"), Just("<template>"), Just("<noscript><img>"), Just("<select>"), Just("<a rel=author>By é</a>"),
        Just(STORY), Just("<br><br>"), Just("<ul><li>"), Just("<base href='::'>"), Just("<time datetime=x>"),
    ], 0..30)) {
        let _ = read(&parts.concat());
    }
}
