//! What admins do with one person.

use crate::db;
use crate::domain::newsletter::Newsletter;
use crate::pipeline::App;
use crate::pipeline::Error;

/// The newsletter with that slug.
///
/// # Errors
/// [`Error::NotFound`] with the slugs that there are.
pub async fn newsletter(app: &App, slug: &str) -> Result<Newsletter, Error> {
    let mut conn = app.db.conn().await?;
    if let Some(found) = db::newsletters::find(&mut conn, slug).await? {
        return Ok(found);
    }
    let slugs: Vec<String> =
        db::newsletters::list(&mut conn).await?.into_iter().map(|newsletter| newsletter.slug).collect();
    Err(Error::NotFound(match slugs.as_slice() {
        [] => format!("there is no newsletter “{slug}”, nor any other: add one with daybreak newsletter add"),
        _ => format!("there is no newsletter “{slug}”: there is {}", slugs.join(", ")),
    }))
}
