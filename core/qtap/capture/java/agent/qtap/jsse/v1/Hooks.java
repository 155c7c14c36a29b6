package qtap.jsse.v1;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.instrument.Instrumentation;
import java.lang.invoke.MethodHandles;
import java.lang.reflect.Method;
import java.util.Collections;

/** Sets the redirections and takes them away; afterwards the code of the JDK is again what it was. */
final class Hooks {
    private static final String[] CLASSES = {"QtapHandle", "QtapDescriptors", "QtapRecords$Source", "QtapRecords"};

    private final Instrumentation jvm;
    private final Class<?>[] targets;
    private final Method tellInto;
    /** Never closed: a thread may be about to write, and the number could be another file's by then. */
    private final FileOutputStream sink;
    private Redirection redirection;

    /** Define the classes that the redirected calls lead to, once in a JVM. */
    Hooks(Instrumentation jvm) throws Exception {
        this.jvm = jvm;
        targets = new Class<?>[] {named(Redirection.ENGINE), named(Redirection.INPUT), named(Redirection.OUTPUT)};
        jvm.redefineModule(Object.class.getModule(), Collections.emptySet(), Collections.emptyMap(),
                Collections.singletonMap("sun.security.ssl", Collections.singleton(Hooks.class.getModule())),
                Collections.emptySet(), Collections.emptyMap());
        MethodHandles.Lookup inside = MethodHandles.privateLookupIn(targets[0], MethodHandles.lookup());
        for (String name : CLASSES) {
            inside.defineClass(code("sun/security/ssl/" + name));
        }
        tellInto = inside.defineClass(code(Redirection.HOOKS)).getMethod("tellInto", FileOutputStream.class);
        tellInto.setAccessible(true);
        sink = new FileOutputStream("/dev/null");
    }

    void set() throws Throwable {
        redirection = new Redirection();
        jvm.addTransformer(redirection, true);
        try {
            jvm.retransformClasses(targets);
            redirection.check();
            tellInto.invoke(null, sink);
        } catch (Throwable e) {
            remove();
            throw e;
        }
    }

    void remove() throws Exception {
        tellInto.invoke(null, (Object) null);
        jvm.removeTransformer(redirection);
        jvm.retransformClasses(targets);
    }

    private static Class<?> named(String name) throws ClassNotFoundException {
        return Class.forName(name, false, null);
    }

    private static byte[] code(String path) throws IOException {
        try (InputStream in = Hooks.class.getResourceAsStream("/" + path + ".class")) {
            return in.readAllBytes();
        }
    }
}
