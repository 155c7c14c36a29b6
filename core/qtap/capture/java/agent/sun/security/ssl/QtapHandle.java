package sun.security.ssl;

import java.io.FileDescriptor;
import java.lang.ref.WeakReference;
import java.util.Map;
import java.util.WeakHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;

/** What is kept of one SSLSocket or SSLEngine for as long as the program keeps that: its number, and how far its streams are. */
final class QtapHandle {
    private static final int STRIPES = 16;
    private static final AtomicLong LAST = new AtomicLong();
    private static final Map<Object, QtapHandle>[] KNOWN = stripes();
    private static final long SHORTAGE = 60_000_000_000L;
    /** Until when (System.nanoTime) a new handle may be one that could not be made at first; 0: there was no such failure. */
    private static volatile long missedUntil;

    /** The top bit tells it from the address of a native library's handle in the same process. */
    final long number = LAST.incrementAndGet() | Long.MIN_VALUE;
    /** Bytes passed so far, by direction; each is changed by one thread at a time, as the protocol of JSSE demands. */
    final long[] position = new long[2];
    /** Keeps the records of several writing threads in the order in which their bytes went out. */
    final ReentrantLock writing = new ReentrantLock();
    /** A strong reference could lead back to the socket, which would then stay forever. */
    WeakReference<FileDescriptor> descriptor;

    private QtapHandle() {
        if (missedUntil != 0 && missedUntil - System.nanoTime() > 0) {
            position[0] = position[1] = 1;
        }
    }

    /** Null when it cannot be made, for want of memory. Neither class overrides equals, so the map compares identity. */
    static QtapHandle of(Object endpoint) {
        try {
            Map<Object, QtapHandle> map = KNOWN[System.identityHashCode(endpoint) & (STRIPES - 1)];
            synchronized (map) {
                QtapHandle handle = map.get(endpoint);
                if (handle == null) {
                    handle = new QtapHandle();
                    map.put(endpoint, handle);
                }
                return handle;
            }
        } catch (Throwable e) {
            missedUntil = System.nanoTime() + SHORTAGE;
            return null;
        }
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Map<Object, QtapHandle>[] stripes() {
        Map[] maps = new Map[STRIPES];
        for (int i = 0; i < STRIPES; i++) {
            maps[i] = new WeakHashMap<Object, QtapHandle>();
        }
        return maps;
    }
}
