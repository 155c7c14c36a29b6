package qtap.jsse.v1;

import java.io.IOException;
import java.lang.instrument.ClassFileTransformer;
import java.security.ProtectionDomain;

/** The four places where JSSE passes plaintext, the same since JDK 11, and where they lead while we look. */
final class Redirection implements ClassFileTransformer {
    static final String ENGINE = "sun.security.ssl.SSLEngineImpl";
    static final String INPUT = "sun.security.ssl.SSLSocketImpl$AppInputStream";
    static final String OUTPUT = "sun.security.ssl.SSLSocketImpl$AppOutputStream";
    static final String HOOKS = "sun/security/ssl/QtapPlaintext";

    private static final String BUFFERS = "[Ljava/nio/ByteBuffer;";
    private static final String WRAPPING = BUFFERS + "II" + BUFFERS + "II)Ljavax/net/ssl/SSLEngineResult;";
    private static final String BUFFER = "Ljava/nio/ByteBuffer;";

    /** What went wrong; null: nothing. */
    private volatile Throwable problem;

    void check() throws Throwable {
        if (problem != null) {
            throw problem;
        }
    }

    @Override
    public byte[] transform(ClassLoader loader, String name, Class<?> old, ProtectionDomain domain, byte[] bytes) {
        if (loader != null || name == null) {
            return null;
        }
        try {
            return transformed(name.replace('/', '.'), bytes);
        } catch (Throwable e) {
            problem = e;
            return null;
        }
    }

    private static byte[] transformed(String name, byte[] bytes) throws IOException {
        switch (name) {
            case ENGINE:
                byte[] half = call(bytes, "wrap", "(" + WRAPPING, "(Lsun/security/ssl/SSLEngineImpl;" + WRAPPING);
                return call(half, "unwrap", "(" + WRAPPING, "(Lsun/security/ssl/SSLEngineImpl;" + WRAPPING);
            case INPUT:
                return call(bytes, "readApplicationRecord", "(" + BUFFER + ")" + BUFFER,
                        "(Lsun/security/ssl/SSLSocketImpl;" + BUFFER + ")" + BUFFER);
            case OUTPUT:
                return call(bytes, "deliver", "([BII)V", "(Lsun/security/ssl/OutputRecord;[BII)V");
            default:
                return null;
        }
    }

    private static byte[] call(byte[] bytes, String name, String descriptor, String staticDescriptor) throws IOException {
        return new ClassFile(bytes).redirect(name, descriptor, HOOKS, staticDescriptor);
    }
}
