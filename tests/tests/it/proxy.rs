//! A proxy in front of a server: it counts, and it misbehaves as it is told. Of threads, not of tasks, so that it
//! stands outside of the runtime that is tested.

use std::{
    hash::{BuildHasher as _, RandomState},
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
        mpsc,
    },
    thread::{sleep, spawn},
    time::{Duration, Instant},
};

use cache_runtime::testing::server::RedisServer;

/// Listens on a port of its own; dropping it cuts every connection.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Mutex<String>,
    connections: Mutex<Vec<Arc<Connection>>>,
    accepted: AtomicU64,
    closed: AtomicBool,
    refuses: AtomicBool,
    swallows: AtomicBool,
    holds: AtomicBool,
    /// Replies that hold these bytes wait, and all that follow them on their connection.
    holds_replies: Mutex<Option<Vec<u8>>>,
    held: AtomicU64,
    /// In milliseconds.
    delay: AtomicU64,
    /// In microseconds.
    jitter: AtomicU64,
    spoils: Mutex<Option<(Spoil, u64)>>,
    turns: AtomicU64,
}

/// What happens to the replies of a connection after some bytes of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spoil {
    /// The connection ends in the middle.
    Cut,
    /// What follows is not of the protocol.
    Garble,
}

struct Connection {
    client: TcpStream,
    server: Stream,
    /// The bytes of replies so far.
    replied: AtomicU64,
    /// Something was lost on the way: nothing more arrives.
    silent: AtomicBool,
    /// The last word was the server's.
    answered: AtomicBool,
}

impl Proxy {
    pub(crate) fn start(server: &RedisServer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: Mutex::new(server.url()),
            connections: Mutex::default(),
            accepted: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            refuses: AtomicBool::new(false),
            swallows: AtomicBool::new(false),
            holds: AtomicBool::new(false),
            holds_replies: Mutex::default(),
            held: AtomicU64::new(0),
            delay: AtomicU64::new(0),
            jitter: AtomicU64::new(0),
            spoils: Mutex::new(None),
            turns: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&shared);
        spawn(move || {
            for client in listener.incoming() {
                if accepting.closed.load(SeqCst) {
                    return;
                }
                accepting.accepted.fetch_add(1, SeqCst);
                if !accepting.refuses.load(SeqCst) {
                    // Where the server is out, the client sees its connection end at once.
                    drop(client.and_then(|client| Shared::connect(&accepting, client)));
                }
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// How many connections were made so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.shared.accepted.load(SeqCst)
    }

    /// How often a client spoke after the server had answered, heartbeats left out.
    pub(crate) fn turns(&self) -> u64 {
        self.shared.turns.load(SeqCst)
    }

    /// Ends new connections at once, and those that are there.
    pub(crate) fn refuse(&self, refuse: bool) {
        self.shared.refuses.store(refuse, SeqCst);
        self.cut();
    }

    /// Lets nothing through, in either direction, and ends nothing. A connection that has lost something stays silent.
    pub(crate) fn swallow(&self, swallow: bool) {
        self.shared.swallows.store(swallow, SeqCst);
    }

    /// Holds scripts back; look-ups pass.
    pub(crate) fn hold_scripts(&self, hold: bool) {
        self.shared.holds.store(hold, SeqCst);
    }

    /// Holds replies back that hold these bytes, and what follows them on their connection.
    pub(crate) fn hold_replies(&self, with: Option<&[u8]>) {
        *lock(&self.shared.holds_replies) = with.map(<[u8]>::to_vec);
    }

    /// How many replies were held so far.
    pub(crate) fn held(&self) -> u64 {
        self.shared.held.load(SeqCst)
    }

    /// Lets every request arrive later.
    pub(crate) fn delay(&self, by: Duration) {
        self.shared.delay.store(by.as_millis().try_into().unwrap(), SeqCst);
    }

    /// Lets replies arrive later, by any time up to this: on each connection another, so that they overtake each other.
    #[allow(dead_code, reason = "only the histories want it")]
    pub(crate) fn jitter(&self, up_to: Duration) {
        self.shared.jitter.store(up_to.as_micros().try_into().unwrap(), SeqCst);
    }

    /// Spoils the replies of each connection from its `after`th byte on.
    pub(crate) fn spoil(&self, spoil: Option<(Spoil, u64)>) {
        *lock(&self.shared.spoils) = spoil;
    }

    /// Ends every connection that is there.
    pub(crate) fn cut(&self) {
        for connection in lock(&self.shared.connections).drain(..) {
            connection.end();
        }
    }

    /// Leads to another server from the next connection on.
    pub(crate) fn lead_to(&self, server: &RedisServer) {
        *lock(&self.shared.upstream) = server.url();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, SeqCst);
        self.cut();
        // Wakes the thread that accepts, which ends.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn connect(shared: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let server = Stream::connect(&lock(&shared.upstream))?;
        client.set_nodelay(true)?;
        let connection = Arc::new(Connection {
            client,
            server,
            replied: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            answered: AtomicBool::new(true),
        });
        lock(&shared.connections).push(Arc::clone(&connection));
        if shared.refuses.load(SeqCst) || shared.closed.load(SeqCst) {
            // Told while this one was made: it may have missed the cut.
            connection.end();
        }
        let (sent, requests) = mpsc::channel::<(Instant, Vec<u8>)>();
        let (of_requests, of_replies) = (Arc::clone(&connection), Arc::clone(&connection));
        let (reading, writing, answering) = (Arc::clone(shared), Arc::clone(shared), Arc::clone(shared));
        spawn(move || reading.read_requests(&of_requests, &sent));
        spawn(move || {
            writing.write_requests(&connection, &requests);
            connection.end();
            lock(&writing.connections).retain(|other| !Arc::ptr_eq(other, &connection));
        });
        spawn(move || {
            drop(answering.pass_replies(&of_replies));
            of_replies.end();
        });
        Ok(())
    }

    /// Reads on while what was read before waits: a delay is no limit to how much is under way.
    fn read_requests(&self, connection: &Connection, sent: &mpsc::Sender<(Instant, Vec<u8>)>) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length) = (&connection.client).read(&mut buffer)
            && length > 0
        {
            let request = buffer[..length].to_vec();
            let heartbeat = contains(&request, b"TIME");
            if !heartbeat && connection.answered.swap(false, SeqCst) {
                self.turns.fetch_add(1, SeqCst);
            }
            let delay = Duration::from_millis(self.delay.load(SeqCst));
            if sent.send((Instant::now() + delay, request)).is_err() {
                return;
            }
        }
    }

    fn write_requests(&self, connection: &Connection, requests: &mpsc::Receiver<(Instant, Vec<u8>)>) {
        for (due, request) in requests {
            sleep(due.saturating_duration_since(Instant::now()));
            while contains(&request, b"EVAL") && self.holds.load(SeqCst) && !self.closed.load(SeqCst) {
                sleep(Duration::from_millis(1));
            }
            if !self.loses(connection) && (&connection.server).write_all(&request).is_err() {
                return;
            }
        }
    }

    fn pass_replies(&self, connection: &Connection) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let length = (&connection.server).read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            connection.answered.store(true, SeqCst);
            if self.loses(connection) {
                continue;
            }
            let jitter = self.jitter.load(SeqCst);
            if jitter > 0 {
                sleep(Duration::from_micros(RandomState::new().hash_one(length) % jitter));
            }
            self.hold_reply(&buffer[..length]);
            let reply = &mut buffer[..length];
            let replied = connection.replied.fetch_add(length as u64, SeqCst);
            let spoils = *lock(&self.spoils);
            if let Some((spoil, after)) = spoils
                && replied + length as u64 > after
            {
                let whole = usize::try_from(after.saturating_sub(replied)).unwrap();
                match spoil {
                    Spoil::Cut => return (&connection.client).write_all(&reply[..whole]),
                    Spoil::Garble => reply[whole..].fill(b'?'),
                }
            }
            (&connection.client).write_all(reply)?;
        }
    }

    fn hold_reply(&self, reply: &[u8]) {
        let holds = || lock(&self.holds_replies).as_ref().is_some_and(|with| contains(reply, with));
        if holds() {
            self.held.fetch_add(1, SeqCst);
        }
        while holds() && !self.closed.load(SeqCst) {
            sleep(Duration::from_millis(1));
        }
    }

    fn loses(&self, connection: &Connection) -> bool {
        if self.swallows.load(SeqCst) {
            connection.silent.store(true, SeqCst);
        }
        connection.silent.load(SeqCst)
    }
}

impl Connection {
    fn end(&self) {
        // Fails where it has ended already.
        drop(self.client.shutdown(Shutdown::Both));
        drop(self.server.shutdown());
    }
}

/// The way to a server.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// To the URL of a [`RedisServer`].
    fn connect(url: &str) -> io::Result<Self> {
        if let Some(path) = url.strip_prefix("redis+unix://") {
            return Ok(Self::Unix(UnixStream::connect(path)?));
        }
        let stream = TcpStream::connect(url.trim_start_matches("redis://").trim_end_matches('/'))?;
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    fn shutdown(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        }
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).read(buffer),
            Stream::Unix(stream) => (&*stream).read(buffer),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).write(bytes),
            Stream::Unix(stream) => (&*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
