//! Which process is at the other end of a connection on loopback.
//!
//! Linux lists TCP sockets with their inode in `/proc/net/tcp`, and the inodes that a process holds
//! open as links in `/proc/<pid>/fd` (proc(5)).

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use rustix::process::{Pid, Signal};

/// A connection by both its ends: the port of one end alone may be in use towards another address, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    /// The end of whoever called.
    pub(super) caller: SocketAddr,
    /// The gateway's end.
    pub(super) gateway: SocketAddr,
}

/// The process that holds the caller's end.
pub(super) fn owner_of(connection: Connection) -> Option<i32> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let inode = inode_of(&table, connection)?;
    let link = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        holds(&entry.path().join("fd"), &link).then_some(pid)
    })
}

/// Finds the row of the caller's end, whose local address is the caller's and whose remote address the gateway's.
fn inode_of(table: &str, connection: Connection) -> Option<u64> {
    let (local, remote) = (in_table(connection.caller)?, in_table(connection.gateway)?);
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let found = columns.next()? == local && columns.next()? == remote;
        // Then come state, queues, timer, retransmits, uid and timeout; the inode is zero once nobody holds the socket.
        let inode = columns.nth(6)?.parse().ok()?;
        (found && inode != 0).then_some(inode)
    })
}

/// An address as `/proc/net/tcp` has it: the IPv4 address as a hexadecimal number in host byte order.
fn in_table(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port()))
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
    fn a_row_of_the_socket_table_is_found_by_both_its_addresses() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0 100 0\n\
             1: 0100007F:C350 0100007F:1F91 01 00000000:00000000 00:00000000 00000000  1000        0 333 1 0 20 4\n\
             2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 222 1 0 20 4\n";
        let inode = |caller: &str| {
            let gateway = "127.0.0.1:8080".parse().unwrap();
            inode_of(table, Connection { caller: caller.parse().unwrap(), gateway })
        };
        assert_eq!(inode("127.0.0.1:50000"), Some(222), "and not that of the same port towards another address");
        assert_eq!(inode("127.0.0.1:50001"), None);
    }

    #[test]
    fn this_process_is_found_behind_its_own_connection_and_is_not_killed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let connection = Connection { caller: stream.local_addr().unwrap(), gateway: stream.peer_addr().unwrap() };
        let pid = owner_of(connection).unwrap();
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
