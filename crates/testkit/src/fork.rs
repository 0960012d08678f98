//! An address that leads to several, in turn: what stands before edges that have one address together. Bytes are passed on as they are.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Leads each connection to the next of some addresses, until it is dropped.
pub struct Fork {
    address: SocketAddr,
    ways: Arc<Mutex<Vec<SocketAddr>>>,
    has_ended: Arc<AtomicBool>,
}

impl Fork {
    /// Listens at this port of 127.0.0.1, and leads nowhere yet: connections are closed.
    ///
    /// # Errors
    /// When another program has the port.
    pub fn at(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let (ways, has_ended) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicBool>::default());
        let (lead, end) = (ways.clone(), has_ended.clone());
        thread::spawn(move || {
            for (turn, accepted) in listener.incoming().enumerate() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let ways = lead.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let way = ways.get(turn % ways.len().max(1)).copied();
                if let (Ok(client), Some(way)) = (accepted, way) {
                    thread::spawn(move || pass(client, way));
                }
            }
        });
        Ok(Self { address, ways, has_ended })
    }

    /// Leads there from now on.
    pub fn lead(&self, ways: &[SocketAddr]) {
        *self.ways.lock().unwrap_or_else(PoisonError::into_inner) = ways.to_vec();
    }
}

impl Drop for Fork {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::Relaxed);
        // It waits for one more.
        let _ = TcpStream::connect(self.address);
    }
}

fn pass(client: TcpStream, way: SocketAddr) {
    let Ok(server) = TcpStream::connect(way) else { return };
    let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else { return };
    let up = thread::spawn(move || copy(from, to));
    copy(server, client);
    let _ = up.join();
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
