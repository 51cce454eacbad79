//! A paper's stories as RSS 2.0, Atom or JSON Feed, as real papers serve them.

use serde_json::json;

use super::newsroom::{Format, Picture, Publisher, Story};
use crate::domain::calendar::Timestamp;
use crate::domain::mail::escape_html;

/// When and where the papers are read.
#[derive(Clone, Copy, Debug)]
pub struct Edition<'a> {
    /// What addresses begin with: `http://127.0.0.1:4000`.
    pub base: &'a str,
    pub start: Timestamp,
    pub now: Timestamp,
}

/// A document, with its media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub content_type: &'static str,
    pub text: String,
}

impl Edition<'_> {
    pub fn address(&self, publisher: &Publisher, story: &Story) -> String {
        format!("{}/{}/{}", self.base, story.folder(publisher), story.slug)
    }

    pub fn picture_address(&self, publisher: &Publisher, story: &Story) -> String {
        format!("{}.png", self.address(publisher, story))
    }

    /// What has come out by now, the newest first.
    fn out<'p>(&self, publisher: &'p Publisher) -> Vec<&'p Story> {
        let mut out: Vec<&Story> =
            publisher.stories.iter().filter(|story| story.published(self.start) <= self.now).collect();
        out.sort_by_key(|story| story.minutes_ago);
        out
    }

    /// The same in every paper that carries the story.
    fn guid(&self, publisher: &Publisher, story: &Story) -> String {
        format!("tag:{}.example,2026:{}", story.folder(publisher), story.slug)
    }

    /// The story as papers put it into their feeds: picture and paragraphs.
    fn html(&self, publisher: &Publisher, story: &Story, paragraphs: &[String]) -> String {
        let picture = story.picture.as_ref().and_then(|picture| picture.alt.as_deref());
        let picture = picture.map(|alt| {
            let address = self.picture_address(publisher, story);
            format!(
                "<p><img src=\"{}\" alt=\"{}\" width=\"960\" height=\"540\"></p>",
                escape_html(&address),
                escape_html(alt)
            )
        });
        let paragraphs = paragraphs.iter().map(|text| format!("<p>{}</p>", escape_html(text)));
        picture.into_iter().chain(paragraphs).collect()
    }

    /// The paper's feed.
    pub fn feed(&self, publisher: &Publisher) -> Document {
        match publisher.format {
            Format::Rss | Format::RssShort => {
                Document { content_type: "application/rss+xml; charset=utf-8", text: self.rss(publisher) }
            }
            Format::Atom => {
                Document { content_type: "application/atom+xml; charset=utf-8", text: self.atom(publisher) }
            }
            Format::Json => Document { content_type: "application/feed+json", text: self.json(publisher) },
            Format::Broken => Document {
                content_type: "text/html; charset=utf-8",
                text:
                    "<!doctype html><title>Error</title><h1>Error establishing a database connection</h1>\n"
                        .to_owned(),
            },
        }
    }

    fn rss(&self, publisher: &Publisher) -> String {
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<rss version=\"2.0\" \
             xmlns:content=\"http://purl.org/rss/1.0/modules/content/\" \
             xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\n<channel>\n<title>{}</title>\n<link>{}/{}</link>\n\
             <description>{}</description>\n<language>{}</language>\n",
            escape_html(&publisher.name),
            self.base,
            publisher.slug,
            escape_html(&publisher.about),
            publisher.language,
        );
        for story in self.out(publisher) {
            let short = publisher.format == Format::RssShort;
            let summary = match short {
                true => self.html(publisher, story, std::slice::from_ref(&story.summary)),
                false => story.summary.clone(),
            };
            xml += &format!(
                "<item>\n<title>{}</title>\n<link>{}</link>\n<guid isPermaLink=\"false\">{}</guid>\n\
                 <pubDate>{}</pubDate>\n<dc:creator>{}</dc:creator>\n<description>{}</description>\n",
                escape_html(&story.headline),
                self.address(publisher, story),
                self.guid(publisher, story),
                story.published(self.start).to_utc().to_rfc2822(),
                escape_html(&story.author),
                escape_html(&summary),
            );
            for category in &story.categories {
                xml += &format!("<category>{}</category>\n", escape_html(category));
            }
            if !short {
                let html = self.html(publisher, story, &story.body);
                xml += &format!("<content:encoded>{}</content:encoded>\n", escape_html(&html));
            }
            xml += "</item>\n";
        }
        xml + "</channel>\n</rss>\n"
    }

    fn atom(&self, publisher: &Publisher) -> String {
        let stories = self.out(publisher);
        let updated = stories.first().map_or(self.start, |story| story.published(self.start));
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"{}\">\n\
             <title>{}</title>\n<subtitle>{}</subtitle>\n<id>tag:{slug}.example,2026:feed</id>\n\
             <link href=\"{}/{slug}\"/>\n<updated>{updated}</updated>\n",
            publisher.language,
            escape_html(&publisher.name),
            escape_html(&publisher.about),
            self.base,
            slug = publisher.slug,
        );
        for story in stories {
            let published = story.published(self.start);
            xml += &format!(
                "<entry>\n<title>{}</title>\n<id>{}</id>\n<link href=\"{}\"/>\n<published>{published}</published>\n\
                 <updated>{published}</updated>\n<author><name>{}</name></author>\n<summary>{}</summary>\n",
                escape_html(&story.headline),
                self.guid(publisher, story),
                self.address(publisher, story),
                escape_html(&story.author),
                escape_html(&story.summary),
            );
            for category in &story.categories {
                xml += &format!("<category term=\"{}\"/>\n", escape_html(category));
            }
            let html = self.html(publisher, story, &story.body);
            xml += &format!("<content type=\"html\">{}</content>\n</entry>\n", escape_html(&html));
        }
        xml + "</feed>\n"
    }

    fn json(&self, publisher: &Publisher) -> String {
        let item = |story: &&Story| {
            let has_no_alt = |picture: &Picture| picture.alt.is_none();
            let image = story
                .picture
                .as_ref()
                .is_some_and(has_no_alt)
                .then(|| self.picture_address(publisher, story));
            json!({
                "id": self.guid(publisher, story),
                "url": self.address(publisher, story),
                "title": story.headline,
                "summary": story.summary,
                "content_html": self.html(publisher, story, &story.body),
                "image": image,
                "date_published": story.published(self.start).to_string(),
                "authors": [{ "name": story.author }],
                "tags": story.categories,
            })
        };
        let feed = json!({
            "version": "https://jsonfeed.org/version/1.1",
            "title": publisher.name,
            "description": publisher.about,
            "home_page_url": format!("{}/{}", self.base, publisher.slug),
            "language": publisher.language,
            "items": self.out(publisher).iter().map(item).collect::<Vec<_>>(),
        });
        feed.to_string()
    }
}
