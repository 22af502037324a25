//! The newest seal that this process made: whoever removes the end of the log together with its seals
//! leaves a chain that fits, but not one that has this seal.

use std::sync::Mutex;

use store::audit_seals::{self, Mac};
use store::{StoreError, Transaction};

/// None until this process has sealed something.
#[derive(Debug, Default)]
pub(crate) struct Head(Mutex<Option<(i64, Mac)>>);

impl Head {
    /// Remembers a seal that is committed.
    pub(super) fn keep(&self, seal: i64, mac: Mac) {
        *self.lock() = Some((seal, mac));
    }

    /// Whether the remembered seal is gone, or another one has its number; told once.
    pub(super) async fn is_lost(&self, transaction: &Transaction) -> Result<bool, StoreError> {
        let Some((seal, mac)) = *self.lock() else {
            return Ok(false);
        };
        if audit_seals::find_mac(transaction, seal).await? == Some(mac) {
            return Ok(false);
        }
        tracing::error!(
            seal,
            "the newest seal that this process made over the audit log is gone, and maybe the rows \
             that it covered: `stagedoor audit verify --head` with the heads in this log tells since \
             when. After a restore, or a failover to a standby that was behind, that is as it must be; \
             else find out who has a superuser's password"
        );
        metrics::counter!("stagedoor_audit_seals_lost_total").increment(1);
        *self.lock() = None;
        Ok(true)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(i64, Mac)>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
