//! Pieces of a statement with the values that belong to them.

use super::Value;

/// The values of a statement, in the order of their places.
#[derive(Debug, Default)]
pub struct Text(Vec<Value>);

type Query<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

impl Text {
    /// The place that a value is bound to.
    pub fn put(&mut self, value: &Value) -> String {
        self.0.push(value.clone());
        format!("${}", self.0.len())
    }

    /// Binds the values. Planned anew each time: a plan that PostgreSQL keeps knows nothing of how few a window is.
    pub fn bind(self, query: Query<'_>) -> Query<'_> {
        self.0.into_iter().fold(query.persistent(false), |query, value| match value {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
        })
    }
}

/// A condition: SQL with `{}` for each of its values.
#[derive(Clone, Debug)]
pub struct Condition(pub String, pub Vec<Value>);

impl Condition {
    pub fn plain(sql: impl Into<String>) -> Self {
        Self(sql.into(), vec![])
    }

    pub fn int(sql: impl Into<String>, value: i64) -> Self {
        Self(sql.into(), vec![Value::Int(value)])
    }

    pub fn text(sql: impl Into<String>, value: &str) -> Self {
        Self(sql.into(), vec![Value::Text(value.to_owned())])
    }

    pub fn all(conditions: Vec<Self>) -> Self {
        let texts: Vec<&str> = conditions.iter().map(|condition| condition.0.as_str()).collect();
        Self(texts.join(" AND "), conditions.iter().flat_map(|condition| condition.1.clone()).collect())
    }

    pub fn any(conditions: Vec<Self>) -> Self {
        let texts: Vec<String> = conditions.iter().map(|condition| format!("({})", condition.0)).collect();
        let values = conditions.iter().flat_map(|condition| condition.1.clone()).collect();
        Self(format!("({})", texts.join(" OR ")), values)
    }

    pub fn write(&self, text: &mut Text) -> String {
        let mut pieces = self.0.split("{}");
        let mut sql = pieces.next().unwrap_or_default().to_owned();
        for (piece, value) in pieces.zip(&self.1) {
            sql.push_str(&text.put(value));
            sql.push_str(piece);
        }
        sql
    }
}
