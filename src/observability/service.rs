//! Notices to the service manager that started the program (systemd's `Type=notify`, sd_notify(3)). Where nobody asked for
//! them, none is sent.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::progress;

/// The service manager.
#[derive(Debug, Clone, Copy)]
pub struct ServiceManager;

impl ServiceManager {
    /// The service is ready; from now on its watchdog hears of progress, for as long as some is made.
    pub fn ready(self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(status)]);
        if let Some(patience) = sd_notify::watchdog_enabled() {
            let watch = move || self.keep_watchdog_quiet(patience / 3);
            if let Err(e) = std::thread::Builder::new().name("watchdog".to_owned()).spawn(watch) {
                tracing::warn!("the service manager's watchdog gets no answer: {e}");
            }
        }
    }

    /// A program that is stuck is ended by the watchdog, and started anew.
    fn keep_watchdog_quiet(self, interval: Duration) {
        loop {
            if progress::is_alive() {
                self.tell(&[NotifyState::Watchdog]);
            }
            std::thread::sleep(interval);
        }
    }

    /// What it does, for people who ask `systemctl status`.
    pub fn status(self, status: &str) {
        self.tell(&[NotifyState::Status(status)]);
    }

    /// The service ends, on request.
    pub fn stopping(self) {
        self.tell(&[NotifyState::Stopping]);
    }

    fn tell(self, state: &[NotifyState<'_>]) {
        if let Err(e) = sd_notify::notify(state) {
            tracing::debug!("the service manager can't be told: {e}");
        }
    }
}
