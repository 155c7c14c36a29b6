package sun.security.ssl;

import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.ByteBuffer;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLException;

/**
 * What the four redirected calls of JSSE lead to: each makes the call that was meant, and then tells what plaintext it moved.
 *
 * <p>Nothing that goes wrong in telling reaches the program, want of memory or stack included: its own call is made in any case,
 * once. A stream whose position jumps tells the reader what is missing, so that is counted before anything can go wrong.
 */
public final class QtapPlaintext {
    private static final int OUT = 0;
    private static final int IN = 1;
    /** The part of a TLS record, header and body, by which the kernel side recognises it on a socket. */
    private static final int OPENING = 29;
    private static final MethodHandle READ;
    private static volatile QtapRecords records;

    static {
        try {
            READ = MethodHandles.privateLookupIn(SSLSocketImpl.class, MethodHandles.lookup())
                    .findVirtual(SSLSocketImpl.class, "readApplicationRecord",
                            MethodType.methodType(ByteBuffer.class, ByteBuffer.class));
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private QtapPlaintext() {}

    /** Tell from now on into {@code sink}; null: no more. The sink is never closed, since a thread may be about to write. */
    public static void tellInto(FileOutputStream sink) {
        records = sink == null ? null : new QtapRecords(sink);
    }

    static SSLEngineResult wrap(SSLEngineImpl engine, ByteBuffer[] from, int at, int count, ByteBuffer[] to, int toAt,
            int toCount) throws SSLException {
        QtapRecords told = records;
        QtapHandle handle = null;
        int[] before = null;
        int start = 0;
        if (told != null) {
            try {
                handle = QtapHandle.of(engine);
                before = positions(from, at, count);
                start = toCount > 0 && to[toAt] != null ? to[toAt].position() : 0;
            } catch (Throwable e) {
                // what passes is counted below, and told by the next record's position
            }
        }
        SSLEngineResult result = engine.wrap(from, at, count, to, toAt, toCount);
        if (handle != null) {
            long position = handle.position[OUT];
            handle.position[OUT] = position + result.bytesConsumed();
            try {
                byte[] opening = result.bytesProduced() < OPENING ? null : opening(to[toAt], start);
                if (before != null && (result.bytesConsumed() > 0 || opening != null)) {
                    told.tell(handle.number, position, OUT, -1, opening, from, at, before, result.bytesConsumed());
                }
            } catch (Throwable e) {
                // the next record's position tells
            }
        }
        return result;
    }

    static SSLEngineResult unwrap(SSLEngineImpl engine, ByteBuffer[] from, int at, int count, ByteBuffer[] to, int toAt,
            int toCount) throws SSLException {
        QtapRecords told = records;
        QtapHandle handle = null;
        int[] before = null;
        byte[] opening = null;
        if (told != null) {
            try {
                handle = QtapHandle.of(engine);
                before = positions(to, toAt, toCount);
                // Taken now: the record is decrypted in place.
                opening = count > 0 && from[at] != null ? opening(from[at], from[at].position()) : null;
            } catch (Throwable e) {
                // what passes is counted below, and told by the next record's position
            }
        }
        SSLEngineResult result = engine.unwrap(from, at, count, to, toAt, toCount);
        if (handle != null && result.bytesProduced() > 0) {
            long position = handle.position[IN];
            handle.position[IN] = position + result.bytesProduced();
            try {
                if (before != null) {
                    told.tell(handle.number, position, IN, -1, opening, to, toAt, before, result.bytesProduced());
                }
            } catch (Throwable e) {
                // the next record's position tells
            }
        }
        return result;
    }

    static void deliver(OutputRecord output, byte[] from, int at, int count) throws IOException {
        QtapRecords told = records;
        SSLSocketImpl socket = null;
        QtapHandle handle = null;
        boolean isLocked = false;
        if (told != null) {
            try {
                if (output.tc.transport instanceof SSLSocketImpl) {
                    socket = (SSLSocketImpl) output.tc.transport;
                    handle = QtapHandle.of(socket);
                    if (handle != null) {
                        handle.writing.lock();
                        isLocked = true;
                    }
                }
            } catch (Throwable e) {
                // what passes is counted below, and told by the next record's position
            }
        }
        try {
            output.deliver(from, at, count);
            if (handle != null) {
                long position = handle.position[OUT];
                handle.position[OUT] = position + count;
                try {
                    ByteBuffer data = ByteBuffer.wrap(from, 0, at + count);
                    data.position(at + count);
                    int descriptor = QtapDescriptors.of(socket, handle);
                    told.tell(handle.number, position, OUT, descriptor, null, new ByteBuffer[] {data}, 0, new int[] {at}, count);
                } catch (Throwable e) {
                    // the next record's position tells
                }
            }
        } finally {
            if (isLocked) {
                handle.writing.unlock();
            }
        }
    }

    static ByteBuffer readApplicationRecord(SSLSocketImpl socket, ByteBuffer buffer) throws Throwable {
        ByteBuffer read = (ByteBuffer) READ.invokeExact(socket, buffer);
        QtapRecords told = records;
        if (told != null && read != null) {
            try {
                QtapHandle handle = QtapHandle.of(socket);
                if (handle != null) {
                    int count = read.position();
                    long position = handle.position[IN];
                    handle.position[IN] = position + count;
                    int descriptor = QtapDescriptors.of(socket, handle);
                    told.tell(handle.number, position, IN, descriptor, null, new ByteBuffer[] {read}, 0, new int[] {0}, count);
                }
            } catch (Throwable e) {
                // the next record's position tells
            }
        }
        return read;
    }

    /** Where each buffer stands; null when the call will be refused for its arguments. */
    private static int[] positions(ByteBuffer[] buffers, int at, int count) {
        if (buffers == null || at < 0 || count < 0 || at > buffers.length - count) {
            return null;
        }
        int[] found = new int[count];
        for (int i = 0; i < count; i++) {
            if (buffers[at + i] == null) {
                return null;
            }
            found[i] = buffers[at + i].position();
        }
        return found;
    }

    private static byte[] opening(ByteBuffer buffer, int at) {
        if (buffer.limit() - at < OPENING) {
            return null;
        }
        byte[] found = new byte[OPENING];
        ByteBuffer view = buffer.duplicate();
        view.position(at);
        view.get(found);
        return found;
    }
}
