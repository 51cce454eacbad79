//! Feeds by hand, one for each thing that real ones do; and the sample feeds, where they are.

use proptest::prelude::*;

use super::*;

fn base() -> Url {
    Url::parse("https://feeds.example.org/news/feed.xml").expect("a link")
}

fn read(feed: &str) -> Feed {
    parse_feed(feed.as_bytes(), None, &base()).unwrap_or_else(|error| panic!("{error}: {feed}"))
}

fn rss(items: &str) -> Feed {
    read(&format!(
        "<rss version='2.0'><channel><title>T</title><link>https://example.org/</link>{items}</channel></rss>"
    ))
}

fn item(inside: &str) -> FoundArticle {
    let mut feed = rss(&format!("<item>{inside}</item>"));
    assert_eq!(feed.articles.len(), 1, "{inside}");
    feed.articles.remove(0)
}

fn entry(inside: &str) -> FoundArticle {
    let text =
        format!("<feed xmlns='http://www.w3.org/2005/Atom'><title>T</title><entry>{inside}</entry></feed>");
    let mut feed = read(&text);
    assert_eq!(feed.articles.len(), 1, "{inside}");
    feed.articles.remove(0)
}

fn date(article: &FoundArticle) -> String {
    article.published_at.map(|time| time.to_string()).unwrap_or_default()
}

#[test]
fn an_item_becomes_an_article() {
    let article = item(
        "<title>Ferry &amp; crew</title><link>https://example.org/a?utm_source=x</link><guid isPermaLink='false'>17</guid>
         <pubDate>Tue, 13 Jan 2026 10:05:00 +0100</pubDate><author>ann@example.org (Ann Lee)</author>
         <category>Sea</category><category>sea</category><category>https://example.org/c</category>
         <description>&lt;p&gt;One &lt;b&gt;two&lt;/b&gt;.&lt;/p&gt;</description>
         <content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'><![CDATA[<p onclick='x'>Story</p><script>1</script>]]></content:encoded>",
    );
    assert_eq!(article.title, "Ferry & crew");
    assert_eq!(article.guid.as_deref(), Some("17"));
    assert_eq!(article.url.as_deref(), Some("https://example.org/a?utm_source=x"));
    assert_eq!(date(&article), "2026-01-13T09:05:00Z");
    assert_eq!(article.author.as_deref(), Some("Ann Lee"));
    assert_eq!(article.categories, ["Sea"]);
    assert_eq!(article.summary, "One two.");
    assert_eq!(article.body_html, "<p>Story</p>");
}

#[test]
fn identities_are_the_sources_own_or_stable() {
    assert_eq!(item("<title>A</title><link>https://example.org/a</link>").guid, None);
    let link = item("<title>A</title><guid>https://example.org/a</guid>");
    assert_eq!(link.url.as_deref(), Some("https://example.org/a"));
    let opaque = item("<title>A</title><guid isPermaLink='false'>https://example.org/a</guid>");
    assert_eq!((opaque.url, opaque.guid.as_deref()), (None, Some("https://example.org/a")));
    let neither = item("<title>Menu of the day</title><pubDate>2026-01-13</pubDate>");
    assert!(neither.guid.as_deref().is_some_and(|guid| guid.starts_with("title:")));
    assert_eq!(neither, item("<title>Menu of the day</title><pubDate>2026-01-13</pubDate>"));
    assert_ne!(neither.guid, item("<title>Menu of the day</title><pubDate>2026-01-14</pubDate>").guid);
    let long = "x".repeat(5000);
    assert!(item(&format!("<title>A</title><guid>{long}</guid>")).guid.is_some_and(|guid| guid.len() < 100));
}

#[test]
fn a_missing_title_is_made_from_the_text_or_the_link() {
    let text =
        item("<description>The ferry left the harbour at noon. It came back.</description><guid>1</guid>");
    assert_eq!(text.title, "The ferry left the harbour at noon.");
    let link = item("<link>https://example.org/2026/ferry-leaves-harbour.html</link>");
    assert_eq!(link.title, "ferry leaves harbour");
    let nothing = rss("<item><guid>1</guid></item><item><title>A</title></item>");
    assert_eq!((nothing.articles.len(), nothing.skipped), (1, 1));
}

#[test]
fn titles_are_plain_text_however_they_were_escaped() {
    for (title, plain) in [
        ("AT&amp;amp;T&amp;#8217;s deal", "AT&T’s deal"),
        ("<![CDATA[AT&amp;T &lt;b&gt;now&lt;/b&gt;]]>", "AT&T now"),
        ("A <b>bold</b> move", "A bold move"),
        ("&lt;i&gt;Big&lt;/i&gt; news", "Big news"),
        ("Rock & roll &nbsp; &eacute;t&eacute;", "Rock & roll été"),
        ("\n  two\n  lines ", "two lines"),
        ("5 &lt; 6", "5 < 6"),
    ] {
        assert_eq!(item(&format!("<title>{title}</title>")).title, plain, "{title}");
    }
    let atom = entry(
        "<id>1</id><title type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>A <em>b</em></div></title>",
    );
    assert_eq!(atom.title, "A b");
    assert_eq!(entry("<id>1</id><title>How to use &lt;div&gt;</title>").title, "How to use <div>");
}

#[test]
fn links_are_resolved() {
    let feed = read(
        "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='https://example.org/blog/'><title>T</title>
         <link rel='self' href='https://example.org/x.xml'/><link href='.'/>
         <entry xml:base='2026/'><id>1</id><title>A</title><link rel='replies' href='r'/><link type='application/json' href='j'/>
         <link rel='alternate' type='text/html' href='a'/>
         <content type='html' xml:base='pics/'>&lt;p>x &lt;img src='b.jpg'>&lt;/p></content></entry>
         <entry><id>2</id><title>B</title><link href='/b'/></entry></feed>",
    );
    assert_eq!(feed.home_url.as_deref(), Some("https://example.org/blog/"));
    let [first, second] = &feed.articles[..] else { panic!("two articles") };
    assert_eq!(first.url.as_deref(), Some("https://example.org/blog/2026/a"));
    assert_eq!(first.image_url.as_deref(), Some("https://example.org/blog/2026/pics/b.jpg"));
    assert!(first.body_html.contains("\"https://example.org/blog/2026/pics/b.jpg\""));
    assert_eq!(second.url.as_deref(), Some("https://example.org/b"));

    // RSS: against the channel's link, not the feed's host.
    assert_eq!(item("<title>A</title><link>/a b</link>").url.as_deref(), Some("https://example.org/a%20b"));
    let sloppy = item("<title>A</title><link href='https://example.org/a'/>");
    assert_eq!(sloppy.url.as_deref(), Some("https://example.org/a"));
    let counted = item(
        "<title>A</title><link>https://feedproxy.example.com/1</link>
         <feedburner:origLink>https://example.org/a</feedburner:origLink>",
    );
    assert_eq!(counted.url.as_deref(), Some("https://example.org/a"));
    assert_eq!(item("<title>A</title><link>javascript:alert(1)</link>").url, None);
}

#[test]
fn dates_are_tried_harder() {
    for (dates, expected) in [
        ("<pubDate>Mar, 13 Gen 2026 10:05:00 +0100</pubDate>", "2026-01-13T09:05:00Z"),
        ("<pubDate>nonsense</pubDate><dc:date>2026-01-13T10:05:00Z</dc:date>", "2026-01-13T10:05:00Z"),
        ("<pubDate>2026-01-13</pubDate><dc:date>2020-01-01</dc:date>", "2026-01-13T00:00:00Z"),
        ("<pubdate>1768298700</pubdate>", "2026-01-13T10:05:00Z"),
        ("<dcterms:created>13.01.2026 10:05</dcterms:created>", "2026-01-13T10:05:00Z"),
        ("<pubDate>0001-01-01T00:00:00Z</pubDate>", ""),
        ("", ""),
    ] {
        assert_eq!(date(&item(&format!("<title>A</title>{dates}"))), expected, "{dates}");
    }
    let updated = entry("<id>1</id><title>A</title><updated>2026-01-13T10:05:00Z</updated>");
    assert_eq!((date(&updated).as_str(), updated.modified_at), ("2026-01-13T10:05:00Z", None));
}

#[test]
fn the_lead_image_is_found_where_it_is() {
    for (inside, expected) in [
        ("<media:thumbnail url='https://example.org/t.jpg' width='240'/>", Some("https://example.org/t.jpg")),
        ("<media:thumbnail url='self'/>", None),
        ("<media:thumbnail url='https://example.org/t.jpg' width='60'/>", None),
        ("<media:group><media:content url='/v.mp4' type='video/mp4'><media:thumbnail url='/t.jpg'/></media:content>
          <media:content url='/s.jpg' medium='image' width='100'/><media:content url='/l.jpg' medium='image' width='900'/>
          </media:group>", Some("https://example.org/l.jpg")),
        ("<enclosure url='/e.png' type='image/png' length='1'/>", Some("https://example.org/e.png")),
        ("<enclosure url='/e.mp3' type='audio/mpeg'/><itunes:image href='/i.jpg'/>", Some("https://example.org/i.jpg")),
        ("<image><url>/x.jpg</url></image>", Some("https://example.org/x.jpg")),
        ("<description>&lt;img src='/1.gif' width='1' height='1'>&lt;img src='/2.jpg'></description>", Some("https://example.org/2.jpg")),
    ] {
        assert_eq!(item(&format!("<title>A</title>{inside}")).image_url.as_deref(), expected, "{inside}");
    }
    let described =
        item("<title>A</title><description>&lt;img src='/2.jpg' alt='A &amp;amp; B'></description>");
    assert_eq!(described.image_alt.as_deref(), Some("A & B"));
}

#[test]
fn what_a_picture_shows_is_taken_from_where_it_is_said() {
    for (inside, expected) in [
        (
            "<media:content url='/l.jpg' medium='image'><media:title>One</media:title><media:description type='html'>A \
          ferry at &amp;lt;b>dusk&amp;lt;/b></media:description></media:content><media:title>Another</media:title>",
            Some("A ferry at dusk"),
        ),
        (
            "<media:content url='/l.jpg' medium='image'/><media:credit>Ann</media:credit><media:description>A ferry</media:description>",
            Some("A ferry"),
        ),
        // A smaller one's words are not the larger one's, and a film's are no picture's.
        (
            "<media:content url='/s.jpg' width='100'><media:title>Small</media:title></media:content>
          <media:content url='/l.jpg' width='900'><media:title>Large</media:title></media:content>",
            Some("Large"),
        ),
        (
            "<media:content url='/v.mp4' type='video/mp4'/><media:thumbnail url='/t.jpg'/><media:description>A film</media:description>",
            None,
        ),
        // A file's name, the headline and a whole text say nothing of it.
        ("<media:content url='/l.jpg'><media:title>IMG_0042</media:title></media:content>", None),
        ("<media:content url='/l.jpg'><media:title>Ferries are back</media:title></media:content>", None),
        (
            "<media:content url='/l.jpg'><media:title>Good</media:title><media:description>LONG</media:description></media:content>",
            Some("Good"),
        ),
        ("<image><url>/x.jpg</url><title>A ferry</title></image>", Some("A ferry")),
        (
            "<enclosure url='https://cdn.example/a/ferry.jpg?w=900' type='image/jpeg'/>
          <description>&lt;img src='/300x200/ferry.jpg' alt='A ferry'> Text</description>",
            Some("A ferry"),
        ),
        ("<media:content url='/l.jpg'/>", None),
    ] {
        let inside = inside.replace("LONG", &"word ".repeat(100));
        let found = item(&format!("<title>Ferries are back</title>{inside}"));
        assert!(found.image_url.is_some(), "{inside}");
        assert_eq!(found.image_alt.as_deref(), expected, "{inside}");
    }
}

#[test]
fn a_podcast_without_links_links_to_the_sound() {
    let episode = item(
        "<title>A</title><guid isPermaLink='false'>9</guid><itunes:duration>99999999999999999999999999</itunes:duration>
         <enclosure url='https://example.org/9.mp3' type='audio/mpeg'/><itunes:author>Zoé（z@example.org）</itunes:author>
         <itunes:summary>About it.</itunes:summary>",
    );
    assert_eq!(episode.url.as_deref(), Some("https://example.org/9.mp3"));
    assert_eq!((episode.author.as_deref(), episode.summary.as_str()), (Some("Zoé"), "About it."));
}

#[test]
fn summary_and_story_go_where_they_belong() {
    let short = item("<title>A</title><description>Only a summary.</description>");
    assert_eq!((short.summary.as_str(), short.body_html.as_str()), ("Only a summary.", ""));
    let whole = item("<title>A</title><description><![CDATA[<p>One.</p><p>Two.</p>]]></description>");
    assert_eq!(whole.body_html, "<p>One.</p><p>Two.</p>");
    let repeated = item(
        "<title>A title</title><description>A title</description><content:encoded>&lt;p>Text.&lt;/p></content:encoded>",
    );
    assert_eq!(repeated.summary, "Text.");
    let trailer = item(
        "<title>A</title><description><![CDATA[<p>Text […]</p><p>The post <a href='/'>A</a> appeared first on <a href='/'>T</a>.</p>]]></description>",
    );
    assert_eq!(trailer.summary, "Text");
    let plain = entry("<id>1</id><title>A</title><content type='text'>One &amp; two.\n\nThree.</content>");
    assert_eq!(plain.body_html, "<p>One &amp; two.</p><p>Three.</p>");
    let xhtml = entry("<id>1</id><title>A</title><content type='xhtml'><div><p>a &lt; b</p></div></content>");
    assert_eq!(xhtml.body_html, "<p>a &lt; b</p>");
    let picture = entry("<id>1</id><title>A</title><content type='image/png'>iVBORw0KGgo=</content>");
    assert_eq!(picture.body_html, "");
}

#[test]
fn languages_and_authors_are_inherited() {
    let feed = read(
        "<feed xmlns='http://www.w3.org/2005/Atom' xml:lang='de-de'><title>T</title><author><name>Ann</name></author>
         <entry xml:lang='fr'><id>1</id><title>A</title><author><name>By Bo</name><email>bo@example.org</email></author></entry>
         <entry><id>2</id><title>B</title><source><id>9</id><title>Other</title></source></entry></feed>",
    );
    let [first, second] = &feed.articles[..] else { panic!("two articles") };
    assert_eq!((first.language.as_deref(), first.author.as_deref()), (Some("fr"), Some("Bo")));
    assert_eq!((second.language.as_deref(), second.author.as_deref()), (Some("de-DE"), Some("Ann")));
    assert_eq!((second.guid.as_deref(), second.title.as_str()), (Some("2"), "B"));
}

#[test]
fn old_dialects_are_read() {
    let netscape = read(
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://my.netscape.com/rdf/simple/0.9/'>
         <channel><title>T</title><link>https://example.org/</link></channel>
         <item><title>A</title><link>https://example.org/a</link></item></rdf:RDF>",
    );
    assert_eq!(netscape.articles.len(), 1);
    for version in ["0.91", "0.93", "0.94", "2.0.1", "", "3"] {
        let feed = read(&format!(
            "<rss version='{version}'><channel><title>T</title><item><title>A</title></item></channel></rss>"
        ));
        assert_eq!(feed.articles.len(), 1, "{version}");
    }
    let old = read(
        "<feed version='0.3' xmlns='http://purl.org/atom/ns#'><title>T</title><entry><title>A</title><id>1</id>
         <link rel='alternate' type='text/html' href='https://example.org/a'/><issued>2026-01-13T10:05:00Z</issued>
         <content type='text/html' mode='escaped'>&lt;p>x&lt;/p></content></entry></feed>",
    );
    assert_eq!(date(&old.articles[0]), "2026-01-13T10:05:00Z");
    assert_eq!(old.articles[0].body_html, "<p>x</p>");
    let prefixed = read(
        "<atom:feed xmlns:atom='http://www.w3.org/2005/Atom'><atom:title>T</atom:title><atom:entry><atom:id>1</atom:id>
         <atom:title>A</atom:title></atom:entry></atom:feed>",
    );
    assert_eq!(prefixed.articles[0].title, "A");
}

#[test]
fn a_json_feed_is_read_whole_or_sloppy() {
    let feed = read(
        r#"{"version": "https://jsonfeed.org/version/1.1", "title": "T", "home_page_url": "https://example.org/", "language": "en-us",
        "authors": [{"name": "Ann"}], "items": [
        {"id": 7, "url": "/a", "title": "A &amp; B", "content_html": "<p>Text</p>", "image": "/i.jpg", "tags": ["x", 3],
         "date_published": "2026-01-13T10:05:00Z", "attachments": [{"url": "/s.mp3"}]},
        {"id": "8", "content_text": "One.\n\nTwo.", "language": "fr", "author": {"name": "Bo"}}, null, 5]} trailing"#,
    );
    assert_eq!((feed.articles.len(), feed.skipped, feed.language.as_deref()), (2, 2, Some("en-US")));
    let [first, second] = &feed.articles[..] else { panic!("two articles") };
    assert_eq!((first.guid.as_deref(), first.title.as_str()), (Some("7"), "A & B"));
    assert_eq!(first.url.as_deref(), Some("https://example.org/a"));
    assert_eq!(first.image_url.as_deref(), Some("https://example.org/i.jpg"));
    assert_eq!((first.author.as_deref(), second.author.as_deref()), (Some("Ann"), Some("Bo")));
    assert_eq!((second.title.as_str(), second.body_html.as_str()), ("One. Two.", "<p>One.</p><p>Two.</p>"));
    assert_eq!(second.language.as_deref(), Some("fr"));
    assert!(matches!(parse_feed(b"{\"items\": 3}", None, &base()), Err(FeedError::Broken { .. })));
    assert!(matches!(parse_feed(b"{\"a\"", None, &base()), Err(FeedError::Broken { .. })));
}

#[test]
fn broken_feeds_are_repaired() {
    for feed in [
        "junk before <?xml version='1.0'?><rss version='2.0'><channel><item><title>A</title></item></channel></rss>",
        "\n\n<?xml version='1.0'?><rss version='2.0'><channel><item><title>A</title></item></channel></rss>",
        "<rss version='2.0'><channel><item><title>A\u{1}\u{b}</title></item></channel></rss>",
        "<rss version='2.0'><channel><item><title>A</title><link>https://example.org/?a=1&b=2</link></item></channel></rss>",
        "<rss version='2.0'><channel><item><title>A</title><description>unclosed</item></channel></rss>",
        "<rss version='2.0'><channel><item><title>A</title></item><item><title>cut o",
        "<rss version='2.0'><channel><item><title>A</title><item><title>B</title></item></channel></rss>",
        "<rss version='2.0'><channel></wrong><item><title>A</title></p></item></channel></rss> trailing",
        "<rss version='2.0' xml:base='::::'><channel><item><title>A</title></item></channel></rss>",
        "<rss version='2.0'><channel><item><title>A</title><description>a < b & c</description></item></channel></rss>",
        "<rss version='2.0'><channel><item><title>A</title><media:undeclared/></item></channel></rss>",
    ] {
        assert_eq!(read(feed).articles[0].title, "A", "{feed}");
    }
    let link = item("<title>A</title><link>https://example.org/?a=1&b=2&amp;c=3</link>");
    assert_eq!(link.url.as_deref(), Some("https://example.org/?a=1&b=2&c=3"));
}

#[test]
fn what_is_no_feed_is_explained() {
    let page = "<!DOCTYPE html><html><head><link rel='alternate' type='application/rss+xml' href='/rss'></head><body>x</body></html>";
    let error = parse_feed(page.as_bytes(), Some("text/html"), &base()).expect_err("a page");
    assert_eq!(error, FeedError::WebPage { feed_url: Some("https://feeds.example.org/rss".into()) });
    assert_eq!(
        error.to_string(),
        "this is a web page, not a feed; its feed is https://feeds.example.org/rss"
    );
    let page = parse_feed(b"<html><body>x</body></html>", None, &base()).expect_err("a page");
    assert_eq!(page.to_string(), "this is a web page, not a feed, and it names no feed");
    for empty in ["", " \n", "\u{feff}"] {
        assert_eq!(parse_feed(empty.as_bytes(), None, &base()), Err(FeedError::Empty));
    }
    for other in ["plain words", "%PDF-1.4", "<svg></svg>", "[1, 2]", "<opml><body/></opml>"] {
        assert!(
            matches!(parse_feed(other.as_bytes(), None, &base()), Err(FeedError::NotAFeed { .. })),
            "{other}"
        );
    }
    assert!(matches!(
        parse_feed(b"<rss version='2.0'><channel><title>T", None, &base()),
        Err(FeedError::Broken { .. })
    ));
    assert_eq!(rss("").articles, []);
}

#[test]
fn charsets_are_read() {
    let text = "<?xml version='1.0' encoding='ISO-8859-1'?><rss version='2.0'><channel><item><title>Été</title></item></channel></rss>";
    let latin = encoding_rs::WINDOWS_1252.encode(text).0;
    let feed = parse_feed(&latin, None, &base()).expect("a feed");
    assert_eq!(feed.articles[0].title, "Été");
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(parse_feed(&wide, None, &base()).expect("a feed").articles[0].title, "Été");
}

#[test]
fn entity_bombs_and_foreign_files_are_left_alone() {
    let feed = read(
        "<?xml version='1.0'?><!DOCTYPE rss SYSTEM 'file:///etc/passwd' [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;'>
         <!ENTITY c SYSTEM 'file:///etc/passwd'>]>
         <rss version='2.0'><channel><item><title>A &b; &c;</title></item></channel></rss>",
    );
    assert_eq!(feed.articles[0].title, "A &b; &c;");
}

#[test]
fn only_the_newest_are_kept() {
    let items: String = (0..600)
        .map(|n| format!("<item><title>A {n}</title><pubDate>{}</pubDate></item>", 1_700_000_000 + n))
        .collect();
    let feed = rss(&items);
    assert_eq!((feed.articles.len(), feed.older), (MOST_ARTICLES, 100));
    assert_eq!(feed.articles[0].title, "A 100");
}

#[test]
fn a_feed_of_a_million_items_is_read_no_further_than_to_its_limit() {
    let rss = read(&format!("<rss><channel><title>T</title>{}</channel></rss>", "<item>".repeat(1_000_000)));
    assert_eq!((rss.articles.len(), rss.skipped, rss.older), (0, MOST_READ, 1_000_000 - MOST_READ));
    let items = vec!["{\"id\":1,\"title\":\"A\"}"; 20_000].join(",");
    let json = read(&format!("{{\"items\":[{items}],\"title\":\"T\"}}"));
    assert_eq!((json.articles.len(), json.older), (MOST_ARTICLES, 20_000 - MOST_ARTICLES));
    assert_eq!((rss.title.as_deref(), json.title.as_deref()), (Some("T"), Some("T")));
}

#[test]
fn a_base_that_would_grow_for_ever_does_not() {
    let long = format!("{}/", "a".repeat(40));
    let article = "<item><title>A</title><link>b</link></item>";
    for grower in [format!("<channel xml:base=\"{long}\"/>"), format!("<link>{long}</link>")] {
        let feed = read(&format!("<rss><channel>{}{article}</channel></rss>", grower.repeat(20_000)));
        let link = feed.articles[0].url.as_deref().expect("a link");
        assert!(link.ends_with("/b") && link.len() < LONGEST_BASE + 10, "{link}");
    }
    let home = format!("https://example.org/{}", "a".repeat(10_000));
    let feed = read(&format!(
        "{{\"home_page_url\":\"{home}/\",\"items\":[{{\"id\":\"1\",\"title\":\"A\",\"url\":\"b\"}}]}}"
    ));
    assert_eq!(feed.articles[0].url.as_deref(), Some("https://feeds.example.org/news/b"));
}

#[test]
fn no_control_character_stays_in_what_is_stored() {
    let text = "a\0b\u{1b}";
    let json = read(
        r#"{"title":"T","items":[{"id":"a\u0000b\u001b","url":"https://example.org/a\u0000b","title":"a\u0000b",
        "summary":"s\u0000t","content_text":"c\u0000d","language":"en\u0000","authors":[{"name":"Ann\u0000 Lee"},"B\u0000o"],
        "tags":["x\u0000y"],"image":"https://example.org/\u0000.png"}]}"#,
    );
    let item = format!(
        "<item><guid>{text}</guid><title>{text}</title><link>https://example.org/{text}</link><category>{text}</category>
         <author>Ann{text}</author><content:encoded>&lt;p title='{text}'>{text}&amp;#0;</content:encoded></item>"
    );
    assert_eq!(json.articles[0].guid.as_deref(), Some("ab"));
    for feed in [json, rss(&item), rss("<item><guid>a&#0;b&#x1b;</guid><title>a&#0;b</title></item>")] {
        let written = format!("{:?}", feed.articles[0]);
        assert!(!written.contains("\\0") && !written.contains("\\u{1b}"), "{written}");
    }
}

#[test]
fn links_lose_the_passwords_in_them() {
    let article = item(
        "<title>A</title><link>https://ann:secret@example.org/a</link><enclosure type='image/png' url='https://ann:secret@example.org/a.png'/>
         <description>&lt;p>a&lt;p>&lt;a href='https://ann:secret@example.org/c'>b&lt;/a></description>",
    );
    assert_eq!(article.url.as_deref(), Some("https://example.org/a"));
    assert_eq!(article.image_url.as_deref(), Some("https://example.org/a.png"));
    let json = r#"{"items":[{"id":"https://ann:secret@example.org/g","title":"A","content_html":"<img src='https://ann:secret@example.org/i.png'>"}]}"#;
    let of_guid = read(json).articles.remove(0);
    assert_eq!(of_guid.url.as_deref(), Some("https://example.org/g"));
    assert_eq!(of_guid.image_url.as_deref(), Some("https://example.org/i.png"));
    assert!(!format!("{}{}", article.body_html, of_guid.body_html).contains("secret"));
}

#[test]
fn hostile_feeds_end_in_time() {
    let started = tokio::time::Instant::now();
    for feed in [
        "<rss><channel>".to_owned() + &"<title>".repeat(500_000),
        "<rss><channel>".to_owned() + &(0..200_000).map(|n| format!("<t{n}>")).collect::<String>(),
        "<rss><channel><item>".to_owned() + &"<![CDATA[".repeat(300_000),
        "<rss><channel>".to_owned() + &"<!--".repeat(300_000),
        "<rss><channel>".to_owned() + &"<item>".repeat(300_000),
        "<rss><channel><item><description>".to_owned()
            + &"&lt;div&gt;".repeat(200_000)
            + "</description></item></channel></rss>",
        "<rss><channel>".to_owned() + &"<title>".repeat(500_000) + "</title>",
        "<rss><channel><item>".to_owned()
            + &"<title><![CDATA[x]]>".repeat(200_000)
            + "</title></item></channel></rss>",
        "<rss ".to_owned() + &"a='".repeat(500_000),
        "<!DOCTYPE [".repeat(300_000),
        "{\"items\":".to_owned() + &"[".repeat(500_000),
    ] {
        let _ = parse_feed(feed.as_bytes(), None, &base());
    }
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

/// File, items, language, the beginning of the first title, and whether items have dates.
const SAMPLES: [(&str, usize, Option<&str>, &str, bool); 15] = [
    ("atom_example_6.xml", 4, Some("en-US"), "0.2.0", true),
    ("atom_example_reddit.xml", 1, None, "Hey Rustaceans!", true),
    ("atom_mediarss_reddit_1.xml", 25, None, "Any reason to keep 1G", true),
    ("atom_relative.xml", 1, None, "Atom-Powered", true),
    ("jsonfeed_example_1.json", 2, None, "How Jeff Bezos’s", true),
    ("rss_0.91_missing_id.xml", 1, Some("es-ES"), "Oferta de Empleo Público //", false),
    ("rss_1.0_debian.xml", 1, Some("en"), "Updated Debian 11", true),
    ("rss_1.0_iso8859.xml", 1, None, "Digitalministerium: Neue Glasfaserförderung", true),
    ("rss_2.0_bbc.xml", 1, Some("en"), "Marcus Aurelius", true),
    ("rss_2.0_ghost_2.xml", 1, None, "Send emails", true),
    ("rss_2.0_heated.xml", 1, Some("en"), "A conversation about", true),
    ("rss_2.0_ilmessaggero.xml", 1, Some("it-IT"), "Missili Polonia", true),
    ("rss_2.0_relurl_1.xml", 2, Some("en-US"), "Pareto", true),
    ("rss_2.0_spiegel.xml", 1, Some("de"), "07.02.", true),
    ("rss_2.0_wirecutter.xml", 1, Some("en-US"), "How to Teach", true),
];

#[test]
fn the_sample_feeds_are_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/feeds");
    if !folder.is_dir() {
        eprintln!("skipped: there are no sample feeds at ../shared/samples/feeds");
        return;
    }
    let found_at = Url::parse("https://example.com/blog/feed.xml").expect("a link");
    let read = |name: &str| parse_feed(&std::fs::read(folder.join(name)).expect("a sample"), None, &found_at);
    for (name, count, language, title, has_dates) in SAMPLES {
        let feed = read(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((feed.articles.len(), feed.skipped), (count, 0), "{name}");
        assert_eq!(feed.language.as_deref(), language, "{name}");
        assert!(feed.title.is_some() && feed.home_url.is_some_and(|url| url.starts_with("http")), "{name}");
        assert!(feed.articles[0].title.starts_with(title), "{name}: {}", feed.articles[0].title);
        for article in &feed.articles {
            assert!(!article.title.is_empty() && !article.summary.is_empty(), "{name}: {article:?}");
            assert!(article.guid.is_some() || article.url.is_some(), "{name}: {article:?}");
            assert_eq!(article.published_at.is_some(), has_dates, "{name}: {article:?}");
            for link in article.url.iter().chain(&article.image_url) {
                assert!(link.starts_with("http"), "{name}: {link}");
            }
        }
    }
    assert!(matches!(read("rss_2.0_invalid_1.xml"), Err(FeedError::Broken { .. })));
}

proptest! {
    #[test]
    fn any_bytes_can_be_tried(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse_feed(&bytes, None, &base());
    }

    #[test]
    fn any_feed_like_text_can_be_tried(parts in proptest::collection::vec(prop_oneof![
        Just("<rss version='2.0'><channel>"), Just("<feed xmlns='http://www.w3.org/2005/Atom'>"), Just("<item>"), Just("</item>"),
        Just("<entry>"), Just("</entry>"), Just("<title>"), Just("</title>"), Just("<link href='"), Just("'/>"), Just("<![CDATA["),
        Just("]]>"), Just("<content type='xhtml'>"), Just("</content>"), Just("<author>"), Just("é&#x;&amp;"), Just("<media:group>"),
        Just("<pubDate>2026-01-13</pubDate>"), Just("<guid>1</guid>"), Just("<"), Just(">"), Just("a@b.c（d）"), Just("</channel></rss>"),
    ], 0..40)) {
        let _ = parse_feed(parts.concat().as_bytes(), None, &base());
    }
}

#[test]
fn links_do_not_make_a_feed_grow_by_their_base() {
    let base = format!("https://example.org/{}/", "a".repeat(1900));
    let links = "&lt;a href=a>b&lt;/a>".repeat(400);
    let items =
        format!("<item><title>A</title><description>&lt;p>x&lt;p>{links}</description></item>").repeat(20);
    let feed = read(&format!("<rss><channel xml:base='{base}'>{items}</channel></rss>"));
    let size: usize = feed.articles.iter().map(|article| article.body_html.len()).sum();
    assert!(size < 1024 * 1024, "{size}");
}
