package sun.security.ssl;

import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Writes records into a sink that keeps nothing: the kernel side reads them from the arguments of write(2).
 *
 * <p>Layout, as struct jsse_head in bpf/jsse.bpf.c has it: a mark, the handle's number, the position in its stream, the socket's
 * descriptor or -1, the number of data bytes, the direction, the length of the ciphertext's opening, that opening, the data.
 */
final class QtapRecords {
    private static final long MARK_1 = 0x8f5e61c3a07d42b9L;
    private static final long MARK_2 = 0x1b94d7e2503cf68aL;
    private static final int HEAD = 80;
    private static final int OPENING_AT = 48;
    /** As much as the kernel side copies at once; one TLS record holds no more. */
    private static final int CHUNK = 16384;

    private final FileOutputStream sink;

    QtapRecords(FileOutputStream sink) {
        this.sink = sink;
    }

    /**
     * Tell of {@code count} bytes that lie in {@code buffers} from the positions {@code before} to the present ones; they begin at
     * {@code position} of their stream.
     */
    void tell(long handle, long position, int direction, int descriptor, byte[] opening, ByteBuffer[] buffers, int at,
            int[] before, int count) throws IOException {
        Source source = new Source(buffers, at, before);
        for (int done = 0; done < count || done == 0;) {
            int length = Math.min(count - done, CHUNK);
            byte[] record = new byte[HEAD + length];
            head(ByteBuffer.wrap(record).order(ByteOrder.nativeOrder()), handle, position + done, descriptor, length, direction,
                    opening);
            source.copy(record, HEAD, length);
            sink.write(record, 0, record.length);
            done += Math.max(length, 1);
        }
    }

    private static void head(ByteBuffer to, long handle, long position, int descriptor, int length, int direction,
            byte[] opening) {
        to.putLong(MARK_1).putLong(MARK_2).putLong(handle).putLong(position).putInt(descriptor).putInt(length);
        to.put((byte) direction);
        if (opening != null) {
            to.put((byte) opening.length);
            to.position(OPENING_AT);
            to.put(opening);
        }
    }

    /** The bytes that passed through several buffers, in order. */
    private static final class Source {
        private final ByteBuffer[] buffers;
        private final int at;
        private final int[] next;
        private int index;

        Source(ByteBuffer[] buffers, int at, int[] before) {
            this.buffers = buffers;
            this.at = at;
            this.next = before;
        }

        void copy(byte[] to, int start, int length) {
            int end = start + length;
            while (start < end) {
                ByteBuffer view = buffers[at + index].duplicate();
                int n = Math.min(view.position() - next[index], end - start);
                view.limit(view.position()).position(next[index]);
                view.get(to, start, n);
                next[index] += n;
                start += n;
                if (start < end) {
                    index++;
                }
            }
        }
    }
}
