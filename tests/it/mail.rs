//! A message as a reader's program sees it, by a parser that is not ours.

use mail_parser::{MessageParser, MimeHeaders as _};

use crate::daybreak::arrived;
use crate::sink::{Accepted, Sink};

/// A parsed message.
#[derive(Clone, Debug)]
pub struct Mail {
    pub subject: String,
    pub message_id: String,
    pub text: String,
    pub html: String,
    pub raw: Vec<u8>,
}

impl Mail {
    pub fn parse(raw: &[u8]) -> Self {
        let message = MessageParser::default().parse(raw).expect("it is a message");
        let part = |subtype: &str| {
            let part = message.parts.iter().find(|part| {
                part.content_type()
                    .is_some_and(|kind| kind.ctype() == "text" && kind.subtype() == Some(subtype))
            });
            part.and_then(|part| part.text_contents()).unwrap_or_default().to_owned()
        };
        Self {
            subject: message.subject().unwrap_or_default().to_owned(),
            message_id: message.message_id().expect("it has a Message-ID").to_owned(),
            text: part("plain"),
            html: part("html"),
            raw: raw.to_vec(),
        }
    }

    /// The first address in the text that has this in it.
    pub fn link(&self, part: &str) -> String {
        let found = self.text.split_whitespace().find(|word| word.contains(part));
        found.unwrap_or_else(|| panic!("no {part} in {}", self.text)).to_owned()
    }

    /// The same of the links in the HTML.
    pub fn html_link(&self, part: &str) -> String {
        let links = self.html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let found = links.into_iter().find(|link| link.contains(part));
        found.unwrap_or_else(|| panic!("no link to {part} in {}", self.html)).to_owned()
    }

    /// The lines of the header, unfolded.
    pub fn header(&self) -> Vec<(String, String)> {
        let raw = String::from_utf8_lossy(&self.raw);
        let (head, _) = raw.split_once("\r\n\r\n").expect("the header ends");
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let field =
            |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        unfolded.split("\r\n").map(|line| field(line).expect("each line is a field")).collect()
    }

    /// Every value of a header field.
    pub fn fields(&self, name: &str) -> Vec<String> {
        let named = self.header().into_iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value).collect()
    }

    /// The one value of a header field that must stand there once.
    pub fn field(&self, name: &str) -> String {
        let [value] = self.fields(name).try_into().unwrap_or_else(|all| panic!("{name}: {all:?}"));
        value
    }
}

impl From<&Accepted> for Mail {
    fn from(accepted: &Accepted) -> Self {
        Self::parse(&accepted.message)
    }
}

/// Waits for so many mails to an address, and returns the last of them.
pub async fn mail_to(sink: &Sink, email: &str, count: usize) -> Mail {
    let to_them = |all: &[Accepted]| all.iter().filter(|one| one.to == [email]).cloned().collect::<Vec<_>>();
    let all = arrived(sink, &format!("mail {count} to {email}"), |all| to_them(all).len() >= count).await;
    Mail::from(&to_them(&all)[count - 1])
}
