//! A server that can crash: the product in a runtime of its own, which ends with all that is under
//! way in it.

use std::sync::Arc;

use app::App;
use app::cancel::{CancelError, cancel};
use app::ctx::ManualClock;
use app::expire;
use app::reserve::{ReserveRequest, forget_old_keys, reserve};
use domain::id::ReservationId;
use domain::reservation::Reservation;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::support::wishes::Outcome;
use crate::support::{Options, TestDatabase, database_url, open_app};

pub(super) struct Server {
    app: App,
    runtime: Option<Runtime>,
}

impl Server {
    pub(super) async fn start(name: &str, seed: u64, clock: &Arc<ManualClock>) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let database = TestDatabase {
            name: name.to_owned(),
        };
        let options = Options {
            random_seed: seed,
            ..Options::default()
        };
        let clock = Arc::clone(clock);
        let app = runtime
            .spawn(async move { open_app(&database_url(&database, &options), &clock, &options) });
        Self {
            app: app.await.unwrap(),
            runtime: Some(runtime),
        }
    }

    pub(super) fn reserve(&self, wish: ReserveRequest) -> JoinHandle<Outcome> {
        let app = self.app.clone();
        self.spawn(async move { reserve(&app, wish).await })
    }

    /// Cancels as whoever has the reservation's token.
    pub(super) fn cancel(&self, id: &str) -> JoinHandle<Result<Reservation, CancelError>> {
        let id: ReservationId = id.parse().unwrap();
        let key = self.app.access_key();
        let holder = key.check(&id, &key.token(&id)).unwrap();
        let app = self.app.clone();
        self.spawn(async move { cancel(&app, holder).await })
    }

    pub(super) fn sweep(&self) -> JoinHandle<usize> {
        let app = self.app.clone();
        self.spawn(async move { expire::sweep(&app).await.unwrap().expired })
    }

    pub(super) fn forget_old_keys(&self) -> JoinHandle<u64> {
        let app = self.app.clone();
        self.spawn(async move {
            let connection = app.writer().get().await.unwrap();
            forget_old_keys(&app, &connection, 10_000).await.unwrap()
        })
    }

    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.as_ref().unwrap().spawn(work)
    }
}

/// A crash: nothing is finished, nobody says goodbye.
impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
