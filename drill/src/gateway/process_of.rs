//! Which process is at the other end of a connection on loopback.
//!
//! Linux lists TCP sockets with their inode in `/proc/net/tcp`, and the inodes that a process holds
//! open as links in `/proc/<pid>/fd` (proc(5)).

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use rustix::process::{Pid, Signal};

/// The process that holds the socket with the local address `peer`.
pub(super) fn owner_of(peer: SocketAddr) -> Option<i32> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let inode = inode_of(&table, peer)?;
    let link = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        holds(&entry.path().join("fd"), &link).then_some(pid)
    })
}

/// Finds the row whose local address is `peer` in the format of `/proc/net/tcp`, where an IPv4 address
/// is a hexadecimal number in host byte order.
fn inode_of(table: &str, peer: SocketAddr) -> Option<u64> {
    let SocketAddr::V4(peer) = peer else { return None };
    let address = u32::from_ne_bytes(peer.ip().octets());
    let local = format!("{address:08X}:{:04X}", peer.port());
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace();
        let found = columns.nth(1)? == local;
        // After the local address come the remote address, state, queues, timer, retransmits, uid and
        // timeout; the inode is zero once nobody holds the socket.
        let inode = columns.nth(7)?.parse().ok()?;
        (found && inode != 0).then_some(inode)
    })
}

/// Processes of others cannot be read, and are not the caller.
fn holds(descriptors: &Path, link: &str) -> bool {
    let Ok(entries) = fs::read_dir(descriptors) else { return false };
    entries
        .filter_map(Result::ok)
        .any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(link)))
}

/// Kills a process, unless it is this one; whether it did.
pub(super) fn kill(pid: i32) -> bool {
    if u32::try_from(pid).is_ok_and(|pid| pid == std::process::id()) {
        return false;
    }
    Pid::from_raw(pid).is_some_and(|pid| rustix::process::kill_process(pid, Signal::KILL).is_ok())
}

/// Variables of a process's environment, as it was started.
pub(super) fn environment_of(pid: i32, names: &[&str]) -> Vec<Option<String>> {
    let block = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let block = String::from_utf8_lossy(&block);
    let value = |name: &&str| {
        block.split('\0').find_map(|entry| entry.strip_prefix(*name)?.strip_prefix('=')).map(str::to_owned)
    };
    names.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_row_of_the_socket_table_is_found_by_its_local_address() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0 100 0\n\
             1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 222 1 0 20 4\n";
        assert_eq!(inode_of(table, "127.0.0.1:50000".parse().unwrap()), Some(222));
        assert_eq!(inode_of(table, "127.0.0.1:50001".parse().unwrap()), None);
    }

    #[test]
    fn this_process_is_found_behind_its_own_connection_and_is_not_killed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let pid = owner_of(stream.local_addr().unwrap()).unwrap();
        assert_eq!(u32::try_from(pid).unwrap(), std::process::id());
        assert!(!kill(pid));
    }

    #[test]
    fn the_environment_of_a_process_can_be_read() {
        let own = i32::try_from(std::process::id()).unwrap();
        let found = environment_of(own, &["PATH", "SURELY_NOT_SET"]);
        assert!(found[0].is_some() && found[1].is_none());
    }
}
