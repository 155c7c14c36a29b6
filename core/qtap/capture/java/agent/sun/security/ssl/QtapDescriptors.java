package sun.security.ssl;

import java.io.FileDescriptor;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.ref.WeakReference;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.net.Socket;
import java.net.SocketImpl;

/** From an SSLSocket to the descriptor of the socket below it, which the kernel side looks up in the process's own table. */
final class QtapDescriptors {
    private static final int NONE = -1;
    private static final VarHandle NUMBER;
    private static final Field SELF;
    private static final Field IMPL;
    private static final Method DESCRIPTOR;

    static {
        try {
            NUMBER = MethodHandles.privateLookupIn(FileDescriptor.class, MethodHandles.lookup())
                    .findVarHandle(FileDescriptor.class, "fd", int.class);
            SELF = opened(BaseSSLSocketImpl.class.getDeclaredField("self"));
            IMPL = opened(Socket.class.getDeclaredField("impl"));
            DESCRIPTOR = SocketImpl.class.getDeclaredMethod("getFileDescriptor");
            DESCRIPTOR.setAccessible(true);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private QtapDescriptors() {}

    /** The number, or -1 when it is closed or lies where nobody can look. */
    static int of(Socket socket, QtapHandle handle) {
        try {
            FileDescriptor found = handle.descriptor == null ? null : handle.descriptor.get();
            if (found == null) {
                found = find(socket);
                handle.descriptor = new WeakReference<>(found);
            }
            return found == null ? NONE : (int) NUMBER.get(found);
        } catch (Throwable e) {
            return NONE;
        }
    }

    private static FileDescriptor find(Socket socket) throws ReflectiveOperationException {
        while (socket instanceof BaseSSLSocketImpl && SELF.get(socket) != socket) {
            socket = (Socket) SELF.get(socket); // TLS over a socket that somebody else made: a proxy's tunnel, for example
        }
        if (socket.getChannel() != null) {
            Method descriptor = Class.forName("sun.nio.ch.SelChImpl").getMethod("getFD");
            descriptor.setAccessible(true);
            return (FileDescriptor) descriptor.invoke(socket.getChannel());
        }
        SocketImpl impl = (SocketImpl) IMPL.get(socket);
        return impl == null ? null : (FileDescriptor) DESCRIPTOR.invoke(impl);
    }

    private static Field opened(Field field) {
        field.setAccessible(true);
        return field;
    }
}
