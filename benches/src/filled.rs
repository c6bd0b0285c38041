//! Many entries on a Redis, without loading each.

use redis::aio::MultiplexedConnection;

/// So many are written by one script, which takes some milliseconds.
const AT_ONCE: u64 = 10_000;

/// Stores what is under a key under `<prefix><number>`, too, for all numbers below `count`.
///
/// # Panics
/// Where Redis does not do it, or nothing is under the key.
pub async fn copy(connection: &mut MultiplexedConnection, key: &str, prefix: &str, count: u64) {
    const COPY: &str = "local entry = redis.call('GET', KEYS[1])
        for number = ARGV[2], ARGV[3] - 1 do
            redis.call('SET', ARGV[1] .. string.format('%d', number), entry, 'EX', 3600)
        end
        return #entry";
    for first in (0..count).step_by(AT_ONCE as usize) {
        let mut copy = redis::cmd("EVAL");
        copy.arg(COPY).arg(1).arg(key).arg(prefix).arg(first).arg(count.min(first + AT_ONCE));
        let length: u64 = copy.query_async(connection).await.expect("Redis copies");
        assert!(length > 0, "{key} is there");
    }
}
