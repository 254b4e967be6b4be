//! Small messages leave at once.

use std::os::fd::{BorrowedFd, RawFd};

/// Sets TCP_NODELAY on the TCP sockets of this process.
///
/// sqlx 0.9.0 leaves it out (<https://github.com/transact-rs/sqlx/issues/4335>) and hides its sockets. Without it the
/// end of each COPY waits some 40 ms for the acknowledgement of what went before. Goes with the release that sets it.
pub(super) fn set_on_all_sockets() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    for number in numbers {
        // SAFETY: the number was open a moment ago. Should another thread have closed it since, the call finds no TCP
        // socket there, or a newer one, for which the option is right as well.
        let socket = unsafe { BorrowedFd::borrow_raw(number) };
        let _ = rustix::net::sockopt::set_tcp_nodelay(socket, true);
    }
}
