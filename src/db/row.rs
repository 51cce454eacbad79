//! Reading a row: a value that cannot be read is an error that names table, column and row.

use chrono_tz::Tz;
use sqlx::any::AnyRow;
use sqlx::{Any, ColumnIndex, Decode, Row as _, Type};

use super::DbError;
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::topic::TopicSet;

/// A row of `table`, whose column `id` (if it has one) names it in errors.
pub struct Row<'r> {
    row: &'r AnyRow,
    table: &'static str,
}

impl<'r> Row<'r> {
    pub fn new(row: &'r AnyRow, table: &'static str) -> Self {
        Self { row, table }
    }

    fn wrong(&self, column: &str, why: String) -> DbError {
        let id = self.row.try_get::<i64, _>("id").map_or_else(|_| "?".to_owned(), |id| id.to_string());
        DbError::Unreadable { table: self.table, column: column.to_owned(), id, why }
    }

    fn get<'a, T>(&'a self, column: &'static str) -> Result<T, DbError>
    where
        T: Decode<'a, Any> + Type<Any>,
        &'static str: ColumnIndex<AnyRow>,
    {
        self.row.try_get(column).map_err(|error| self.wrong(column, error.to_string()))
    }

    pub fn int(&self, column: &'static str) -> Result<i64, DbError> {
        self.get(column)
    }

    pub fn opt_int(&self, column: &'static str) -> Result<Option<i64>, DbError> {
        self.get(column)
    }

    pub fn text(&self, column: &'static str) -> Result<String, DbError> {
        self.get(column)
    }

    pub fn opt_text(&self, column: &'static str) -> Result<Option<String>, DbError> {
        self.get(column)
    }

    pub fn bytes(&self, column: &'static str) -> Result<Vec<u8>, DbError> {
        self.get(column)
    }

    pub fn flag(&self, column: &'static str) -> Result<bool, DbError> {
        Ok(self.int(column)? != 0)
    }

    pub fn time(&self, column: &'static str) -> Result<Timestamp, DbError> {
        Ok(Timestamp::from_millis(self.int(column)?))
    }

    pub fn opt_time(&self, column: &'static str) -> Result<Option<Timestamp>, DbError> {
        Ok(self.opt_int(column)?.map(Timestamp::from_millis))
    }

    pub fn topics(&self, column: &'static str) -> Result<TopicSet, DbError> {
        Ok(TopicSet::from_bits(self.int(column)?))
    }

    /// A text that a domain type reads.
    pub fn parsed<T>(&self, column: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<T, DbError> {
        let text = self.text(column)?;
        parse(&text).ok_or_else(|| self.wrong(column, format!("“{text}” is not a value of this column")))
    }

    pub fn opt_parsed<T>(
        &self,
        column: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, DbError> {
        match self.opt_text(column)? {
            None => Ok(None),
            Some(text) => parse(&text)
                .map(Some)
                .ok_or_else(|| self.wrong(column, format!("“{text}” is not a value of this column"))),
        }
    }

    pub fn zone(&self, column: &'static str) -> Result<Tz, DbError> {
        self.parsed(column, |text| text.parse().ok())
    }

    pub fn address(&self, column: &'static str) -> Result<EmailAddress, DbError> {
        self.parsed(column, |text| EmailAddress::parse(text).ok())
    }
}
