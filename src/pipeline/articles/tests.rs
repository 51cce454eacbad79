//! Articles by hand, on every database.

use super::*;
use crate::db::testing::a_newsletter;
use crate::pipeline::testing::apps;

fn written(title: &str, url: Option<&str>) -> FoundArticle {
    by_hand(ByHand { title: title.to_owned(), url: url.map(str::to_owned), ..ByHand::default() }).unwrap()
}

#[tokio::test]
async fn a_column_with_the_same_title_every_week_is_new_every_week() {
    for test in apps().await {
        a_newsletter(&test.app.db, "brief").await;
        // A link to a site's front page is no more of an identity than none.
        for link in [None, None, Some("https://example.org/"), Some("https://example.org/")] {
            let added =
                add(&test.app, "brief", &written("Letter from the editors", link), &[]).await.unwrap();
            assert!(matches!(added, Added::New(_)), "{added:?}");
        }
    }
}

#[tokio::test]
async fn an_article_with_a_link_that_is_there_is_known() {
    for test in apps().await {
        a_newsletter(&test.app.db, "brief").await;
        let first = written("Ferry", Some("https://ann:secret@example.org/ferry"));
        assert_eq!(first.url.as_deref(), Some("https://example.org/ferry"));
        let Added::New(first) = add(&test.app, "brief", &first, &[]).await.unwrap() else { panic!("new") };
        let again = written("Ferry, again", Some("http://www.example.org/ferry/?utm_source=mail"));
        let again = add(&test.app, "brief", &again, &[]).await.unwrap();
        assert!(matches!(&again, Added::Known(article) if article.id == first.id), "{again:?}");
    }
}

#[tokio::test]
async fn nothing_by_hand_holds_nul() {
    for test in apps().await {
        a_newsletter(&test.app.db, "brief").await;
        let new = ByHand {
            title: "A\0b".to_owned(),
            url: Some("https://example.org/\0a".to_owned()),
            summary: Some("c\0d".to_owned()),
            body: Some("e\0f".to_owned()),
            author: Some("Ann\0".to_owned()),
            image_url: Some("https://example.org/\0.png".to_owned()),
            image_alt: Some("g\0h".to_owned()),
        };
        let of_html = ByHand { body: Some("<p>e\0f</p>".to_owned()), ..new.clone() };
        for new in [new, of_html] {
            let article = by_hand(new).unwrap();
            assert!(!format!("{article:?}").contains("\\0"), "{article:?}");
            add(&test.app, "brief", &article, &[]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_folder_is_not_read_as_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let error = read_file(folder.path().to_str().unwrap()).await.unwrap_err().to_string();
    assert!(error.ends_with("this is a folder: name the HTML file in it"), "{error}");
}
