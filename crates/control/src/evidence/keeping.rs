//! Evidence on its way into the journal: some MB are encoded and written beside the control loop, and a question for one that is
//! under way waits for it.

use std::collections::BTreeMap;

use tokio::sync::watch;

/// What is being written, by the numbers of the deploys.
#[derive(Debug, Default)]
pub(crate) struct Keeping(BTreeMap<i64, watch::Receiver<()>>);

impl Keeping {
    /// Does `work`, which keeps what a deploy was judged by, beside the loop.
    pub(crate) fn begin(&mut self, deploy: i64, work: impl FnOnce() + Send + 'static) {
        self.0.retain(|_, kept| kept.has_changed().is_ok());
        // It is over when this is dropped, also where the work panics.
        let (under_way, kept) = watch::channel(());
        self.0.insert(deploy, kept);
        tokio::task::spawn_blocking(move || {
            let _under_way = under_way;
            work();
        });
    }

    /// Waits until nothing of `deploy` is under way any more.
    pub(crate) fn kept(&self, deploy: i64) -> impl Future<Output = ()> + Send + use<> {
        let kept = self.0.get(&deploy).cloned();
        async move {
            if let Some(mut kept) = kept {
                // Nothing is ever sent: it ends as the work does.
                let _ = kept.changed().await;
            }
        }
    }

    /// Waits until nothing is under way any more.
    pub(crate) async fn all_kept(self) {
        for mut kept in self.0.into_values() {
            let _ = kept.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_question_waits_for_what_is_under_way_and_for_nothing_else() {
        let mut keeping = Keeping::default();
        let (go_on, waits) = mpsc::channel::<()>();
        let is_kept = Arc::new(AtomicBool::new(false));
        let told = is_kept.clone();
        keeping.begin(7, move || {
            waits.recv().unwrap();
            told.store(true, Ordering::SeqCst);
        });
        assert!(keeping.kept(6).now_or_never().is_some(), "of another deploy");
        let kept = keeping.kept(7);
        tokio::pin!(kept);
        assert!(kept.as_mut().now_or_never().is_none());
        go_on.send(()).unwrap();
        kept.await;
        assert!(is_kept.load(Ordering::SeqCst));
        assert!(keeping.kept(7).now_or_never().is_some(), "it is over");
        keeping.begin(8, || {});
        assert_eq!(keeping.0.keys().collect::<Vec<_>>(), [&8], "what is over is forgotten");
        keeping.all_kept().await;
    }

    #[tokio::test]
    async fn nobody_waits_for_work_that_has_failed() {
        let mut keeping = Keeping::default();
        keeping.begin(7, || std::panic::resume_unwind(Box::new("it failed")));
        keeping.kept(7).await;
        keeping.all_kept().await;
    }
}
