//! Pasted texts by hand, in several languages and shapes; and the sample text, where it is.

use proptest::prelude::*;

use super::*;

const ONE: &str = "The ferry left the harbour of Example at noon with twelve people on board, and nobody has heard of it since then, \
    the coast guard said on Tuesday evening.";
const TWO: &str = "Three ships were searching the strait while the wind was rising, and the families waited at the pier for news of \
    the crew, who are all from the island.";

fn paste(text: &str) -> FoundArticle {
    from_pasted_text(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn day(text: &str) -> Option<Timestamp> {
    Some(parse_date(text).expect("a date"))
}

#[test]
fn a_wordpress_page_is_read() {
    let found = paste(&format!(
        "You are currently viewing Ferry Missing in the Strait\n\nFerry Missing in the Strait\n\n  • Post author:Ann Lee\n  • Post published:\
         January 12, 2026\n  • Post last modified:January 13, 2026\n  • Post category:News\n\nSharing articles\n\nFerry Missing in the Strait\n\n\
         {ONE}\n\nThe Search Goes On\n\n{TWO}\n\n  • First point of the list, with words.\n  • Second point.\n\nRelated articles\n\nAnother ferry\n\n\
         Subscribe to trusted news sites like Planet.example for continuous updates.\n\nSharing articles"
    ));
    assert_eq!(found.title, "Ferry Missing in the Strait");
    assert_eq!(found.author.as_deref(), Some("Ann Lee"));
    assert_eq!((found.published_at, found.modified_at), (day("2026-01-12"), day("2026-01-13")));
    assert_eq!(
        found.body_html,
        format!(
            "<p>{ONE}</p><h2>The Search Goes On</h2><p>{TWO}</p><ul><li>First point of the list, with words.</li><li>Second point.</li></ul>"
        )
    );
    assert!(found.summary.starts_with("The ferry left"));
    assert_eq!(found.language.as_deref(), Some("en"));
}

#[test]
fn other_languages_are_read() {
    let german = paste(
        "Fähre in der Meerenge vermisst\n\nBeitrags-Autor:Änne Löhr\nBeitrag veröffentlicht:13. Januar 2026\nBeitrags-Kategorie:Meer\n\nTeilen\n\n\
         Fähre in der Meerenge vermisst\n\nDie Fähre verließ am Mittag den Hafen mit zwölf Menschen an Bord, und seither hat niemand mehr von ihr gehört, \
         wie die Küstenwache am Abend mitteilte.\n\nNewsletter abonnieren",
    );
    assert_eq!(
        (german.title.as_str(), german.author.as_deref()),
        ("Fähre in der Meerenge vermisst", Some("Änne Löhr"))
    );
    assert_eq!((german.published_at, german.language.as_deref()), (day("2026-01-13"), Some("de")));
    assert!(
        german.body_html.starts_with("<p>Die Fähre") && german.body_html.matches("<p>").count() == 1,
        "{}",
        german.body_html
    );

    let french = paste(
        "Un ferry disparaît dans le détroit\nPar Zoé Petit\nPublié le 13 janvier 2026 à 10h05\nPartager\n\nLe ferry a quitté le port à midi avec douze \
         personnes à bord, et personne n'en a plus entendu parler depuis, selon les garde-côtes.\n\nLire aussi : La tempête arrive\n\nTrois navires \
         cherchaient mardi soir dans le détroit.\n\nAbonnez-vous à notre lettre d'information",
    );
    assert_eq!(
        (french.title.as_str(), french.author.as_deref()),
        ("Un ferry disparaît dans le détroit", Some("Zoé Petit"))
    );
    assert_eq!((french.published_at, french.language.as_deref()), (day("2026-01-13T10:05:00Z"), Some("fr")));
    assert_eq!(french.body_html.matches("<p>").count(), 2, "{}", french.body_html);

    let spanish = paste(
        "En este momento estás viendo Un ferry desaparece en el estrecho\n\nUn ferry desaparece en el estrecho\n\nAutor de la entrada:José Gil\n\
         Publicación de la entrada:13 de enero de 2026\n\nEl ferry salió del puerto a mediodía con doce personas a bord, y nadie ha vuelto a saber de él \
         desde entonces, según los guardacostas.\n\nSuscríbete a nuestro boletín",
    );
    assert_eq!(
        (spanish.title.as_str(), spanish.author.as_deref()),
        ("Un ferry desaparece en el estrecho", Some("José Gil"))
    );
    assert_eq!(spanish.published_at, day("2026-01-13"));
    assert!(!spanish.body_html.contains("Suscr"), "{}", spanish.body_html);

    let japanese = paste(
        "フェリーが海峡で行方不明に\n\n2026年1月13日\n\n正午に港を出たフェリーは乗客十二人を乗せたまま連絡が途絶え、海上保安庁が捜索を続けている。\n\n家族は桟橋で知らせを待っている。",
    );
    assert_eq!(
        (japanese.title.as_str(), japanese.published_at),
        ("フェリーが海峡で行方不明に", day("2026-01-13"))
    );
    assert_eq!(japanese.body_html.matches("<p>").count(), 2, "{}", japanese.body_html);
}

#[test]
fn heads_of_other_shapes_are_read() {
    let dated =
        paste(&format!("Ferry missing in the strait\nBy Ann Lee | January 13, 2026\n\n{ONE}\n\n{TWO}"));
    assert_eq!((dated.author.as_deref(), dated.published_at), (Some("Ann Lee"), day("2026-01-13")));
    let lone = paste(&format!(
        "Daily Planet\n\nFerry missing in the strait\n\nPost author:\nAnn Lee\n\nFerry missing in the strait\n\n{ONE}"
    ));
    assert_eq!(
        (lone.title.as_str(), lone.author.as_deref()),
        ("Ferry missing in the strait", Some("Ann Lee"))
    );
    assert_eq!(lone.body_html, format!("<p>{ONE}</p>"));
    let linked = paste(&format!("https://planet.example/ferry\n\nFerry missing in the strait\n\n{ONE}"));
    assert_eq!(
        (linked.url.as_deref(), linked.title.as_str()),
        (Some("https://planet.example/ferry"), "Ferry missing in the strait")
    );
    let untitled = paste(&format!("{ONE} {TWO}"));
    assert!(untitled.title.starts_with("The ferry left") && untitled.title.chars().count() <= 100);
    assert_eq!(untitled.body_html, format!("<p>{ONE} {TWO}</p>"));
}

#[test]
fn sentences_at_the_head_stay() {
    let found = paste(&format!(
        "Ferry missing in the strait\n\nBy the time it left, the wind was rising.\n\nPosted soldiers watched.\n\n{ONE}"
    ));
    assert_eq!(found.author, None);
    assert!(
        found.body_html.contains("By the time") && found.body_html.contains("Posted soldiers"),
        "{}",
        found.body_html
    );
}

#[test]
fn wrapped_lines_are_joined_and_others_are_not() {
    let wrapped = paste(
        "Ferry missing in the strait\n\nThe ferry left the harbour of Example at noon with twelve\npeople on board, and nobody has heard of it since\nthen, \
         the coast guard said.\n\nThree ships were searching the strait while the wind was\nrising on Tuesday evening, and it was\nnearly dark by then.",
    );
    assert_eq!(wrapped.body_html.matches("<p>").count(), 2, "{}", wrapped.body_html);
    let single = paste(&format!("Ferry missing in the strait\n{ONE}\n{TWO}"));
    assert_eq!(single.body_html, format!("<p>{ONE}</p><p>{TWO}</p>"));
}

#[test]
fn markup_and_nothing_are_handled() {
    assert_eq!(from_pasted_text(""), Err(PageError::Empty));
    assert_eq!(from_pasted_text(" \n\u{feff}\n"), Err(PageError::Empty));
    assert_eq!(from_pasted_text("Share this\nFacebook\nTwitter"), Err(PageError::NoArticle));
    let escaped = paste(&format!("Ferry missing in the strait\n\n{ONE} <script>alert(1)</script> & more"));
    assert!(escaped.body_html.contains("&lt;script&gt;") && escaped.body_html.contains("&amp; more"));
    let markup = paste(&format!("<h1>Ferry missing in the strait</h1><p>{ONE}</p><p>{TWO}</p>"));
    assert_eq!(markup.body_html, format!("<p>{ONE}</p><p>{TWO}</p>"));
}

#[test]
fn the_sample_text_is_read() {
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/pages/news-article.txt");
    let Ok(text) = std::fs::read_to_string(file) else {
        println!("skipped: there is no sample text at ../shared/samples/pages/news-article.txt");
        return;
    };
    let found = paste(&text);
    assert!(
        found.title.starts_with("Trump Cancels Iran Talks") && found.title.ends_with("Coming"),
        "{}",
        found.title
    );
    assert_eq!((found.author.as_deref(), found.modified_at), (None, day("2026-01-13")));
    for furniture in [
        found.title.as_str(),
        "Post author",
        "Post last modified",
        "Sharing articles",
        "Subscribe",
        "currently viewing",
    ] {
        assert!(!found.body_html.contains(furniture), "{furniture}");
    }
    assert!(found.body_html.starts_with("<p>In a dramatic escalation"));
    assert!(found.body_html.ends_with("recent Middle Eastern geopolitics.</p>"));
    let count = |tag: &str| found.body_html.matches(tag).count();
    assert_eq!((count("<p>"), count("<h2>"), count("<li>")), (19, 7, 7));
}

proptest! {
    #[test]
    fn any_text_can_be_tried(text in "(\\PC|\\n|•|: ){0,300}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = from_pasted_text(&text);
        let _ = from_pasted_text(&String::from_utf8_lossy(&bytes));
    }
}
