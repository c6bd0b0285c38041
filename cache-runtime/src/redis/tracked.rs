//! The connection that the server tells of changes.
//!
//! Client tracking in its default mode (`CLIENT TRACKING ON`, Redis 6.0, RESP3): a key that was read on this connection
//! is named in a push message when it changes, once. Messages and answers come in the order in which the server has made
//! them: an answer proves that all changes before it were told.

use std::{convert::Infallible, sync::Arc};

use bb8_redis::redis::{
    self, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, RedisError, Value,
    aio::{AsyncPushSender, MultiplexedConnection},
};

use super::listener::Listener;

/// Push messages need the third version of the protocol.
pub(super) fn resp3(settings: RedisConnectionInfo) -> RedisConnectionInfo {
    settings.set_protocol(ProtocolVersion::RESP3)
}

pub(super) async fn begin(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    redis::cmd("CLIENT").arg("TRACKING").arg("ON").exec_async(connection).await
}

/// Hands on what the server says of its own accord; `gone` is called when the connection is.
pub(super) fn teller(
    listener: Arc<dyn Listener>,
    gone: impl Fn() + Send + Sync + 'static,
) -> impl AsyncPushSender {
    move |push: PushInfo| -> Result<(), Infallible> {
        match (&push.kind, push.data.as_slice()) {
            (PushKind::Invalidate, [Value::Array(keys)]) => {
                for key in keys {
                    if let Value::BulkString(key) = key {
                        listener.changed(key);
                    }
                }
            }
            // `FLUSHALL`
            (PushKind::Invalidate, _) => listener.changed_all(),
            (PushKind::Disconnection, _) => gone(),
            _ => {}
        }
        Ok(())
    }
}
