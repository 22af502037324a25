//! What the generated statements ask of a connection.
//!
//! The generator's own client module is replaced by this one, so that each statement runs
//! prepared, is timed under its name, and evicts its connection when that is no longer sound.

use futures_util::stream::{self, Iter};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

/// A connection that runs statements by their text, each text prepared once.
pub trait GenericClient: Send + Sync {
    fn prepare(&self, query: &'static str)
    -> impl Future<Output = Result<Statement, Error>> + Send;

    fn execute(
        &self,
        query: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<u64, Error>> + Send;

    fn query_one(
        &self,
        query: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<Row, Error>> + Send;

    fn query_opt(
        &self,
        query: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<Option<Row>, Error>> + Send;

    fn query(
        &self,
        query: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<Vec<Row>, Error>> + Send;
}

/// Binds all parameters of a statement from one struct.
pub trait Params<'c, 'a, 's, P, O, C> {
    fn params(&'s self, client: &'c C, parameters: &'a P) -> O;
}

/// The only row of a statement that always has one.
pub(crate) async fn one<C: GenericClient>(
    client: &C,
    query: &'static str,
    parameters: &[&(dyn ToSql + Sync)],
    _prepared: Option<&Statement>,
) -> Result<Row, Error> {
    client.query_one(query, parameters).await
}

/// The row of a statement that has at most one.
pub(crate) async fn opt<C: GenericClient>(
    client: &C,
    query: &'static str,
    parameters: &[&(dyn ToSql + Sync)],
    _prepared: Option<&Statement>,
) -> Result<Option<Row>, Error> {
    client.query_opt(query, parameters).await
}

/// All rows at once: lists are paged by their statements, so they fit into memory.
pub(crate) async fn raw<C: GenericClient>(
    client: &C,
    query: &'static str,
    parameters: &[&(dyn ToSql + Sync)],
    _prepared: Option<&Statement>,
) -> Result<Iter<std::vec::IntoIter<Result<Row, Error>>>, Error> {
    let rows: Vec<_> = client
        .query(query, parameters)
        .await?
        .into_iter()
        .map(Ok)
        .collect();
    Ok(stream::iter(rows))
}
