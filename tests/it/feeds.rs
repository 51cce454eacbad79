//! A web server for feeds: each path answers as its test says, and counts who asks.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// What a path answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// 200 with a content type and a body.
    Page(&'static str, Vec<u8>),
    /// Another status, with an empty body.
    Status(u16),
    /// A redirect to another path.
    Moved(&'static str),
    /// 200 and a body that never ends.
    Endless,
    /// Nothing at all, on an open connection.
    Silence,
}

/// One item of a feed.
#[derive(Clone, Debug)]
pub struct Item {
    pub title: String,
    pub link: String,
    pub summary: String,
    pub categories: Vec<&'static str>,
    pub language: Option<&'static str>,
    /// As RSS writes it; none: the article is as old as its first poll.
    pub published: Option<String>,
}

impl Item {
    /// A story with a link of its own, made of its title.
    pub fn new(title: &str) -> Self {
        let slug: String =
            title.chars().map(|sign| if sign.is_ascii_alphanumeric() { sign } else { '-' }).collect();
        Self {
            title: title.to_owned(),
            link: format!("https://stories.example.org/{}", slug.to_lowercase()),
            summary: format!("What there is to say about: {title}."),
            categories: vec![],
            language: None,
            published: None,
        }
    }

    pub fn about(mut self, category: &'static str) -> Self {
        self.categories.push(category);
        self
    }

    pub fn in_language(mut self, language: &'static str) -> Self {
        self.language = Some(language);
        self
    }
}

/// An RSS feed of these items.
pub fn rss(items: &[Item]) -> Answer {
    let items: String = items
        .iter()
        .map(|item| {
            let categories: String = item
                .categories
                .iter()
                .map(|category| format!("<category>{}</category>", escape(category)))
                .collect();
            let language =
                item.language.map(|tag| format!("<dc:language>{tag}</dc:language>")).unwrap_or_default();
            let published =
                item.published.as_ref().map(|date| format!("<pubDate>{date}</pubDate>")).unwrap_or_default();
            format!(
                "<item><title>{}</title><link>{}</link><guid isPermaLink=\"false\">{}</guid>\
                 <description>{}</description>{categories}{language}{published}</item>\n",
                escape(&item.title),
                escape(&item.link),
                escape(&item.link),
                escape(&item.summary),
            )
        })
        .collect();
    let feed = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<rss version=\"2.0\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><channel><title>The Test Gazette</title>\
         <link>https://stories.example.org/</link><description>Stories for tests</description>\n{items}</channel></rss>"
    );
    Answer::Page("application/rss+xml; charset=utf-8", feed.into_bytes())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A running server; it ends when this is dropped.
pub struct Feeds {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    asked: Mutex<HashMap<String, usize>>,
}

impl Feeds {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(listen(listener, shared.clone())).abort_handle();
        Self { address, shared, task }
    }

    /// The address of a path, `/feed.xml` for instance.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Lets a path answer so from now on.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.shared.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.shared.asked.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

impl Drop for Feeds {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut talks = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = shared.clone();
        // Whoever hangs up in the middle of an answer has had enough of it.
        talks.spawn(async move { talk(stream, &shared).await.ok() });
    }
}

async fn talk(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == "\r\n" {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    *shared.asked.lock().unwrap().entry(path.clone()).or_default() += 1;
    let answer = shared.answers.lock().unwrap().get(&path).cloned().unwrap_or(Answer::Status(404));
    match answer {
        Answer::Page(kind, body) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await?;
        }
        Answer::Status(status) => {
            let head =
                format!("HTTP/1.1 {status} So it is\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
        }
        Answer::Moved(target) => {
            let head = format!(
                "HTTP/1.1 301 Moved\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
        }
        Answer::Endless => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nConnection: close\r\n\r\n<rss><channel>";
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(b"<item><title>And another one</title></item>\n").await?;
            }
        }
        Answer::Silence => std::future::pending::<()>().await,
    }
    stream.flush().await
}
