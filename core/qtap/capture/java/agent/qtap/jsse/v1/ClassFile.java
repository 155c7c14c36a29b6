package qtap.jsse.v1;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * A class file (JVMS chapter 4) in which a call of an instance method can be replaced by one of a static method.
 *
 * <p>invokevirtual and invokestatic are equally long, and a receiver is the same on the stack as a first argument. So only three
 * bytes of the code change, and the constant pool grows at its end: nothing else in the file has to be understood.
 */
final class ClassFile {
    private static final int INVOKEVIRTUAL = 0xb6;
    private static final int INVOKESPECIAL = 0xb7;
    private static final int INVOKESTATIC = 0xb8;
    private static final int WIDE = 0xc4;
    private static final int IINC = 0x84;
    private static final int TABLESWITCH = 0xaa;
    private static final int LOOKUPSWITCH = 0xab;
    private static final int POOL = 10;

    private final ByteBuffer file;
    private final int[] constants;
    private final int poolEnd;

    ClassFile(byte[] bytes) {
        file = ByteBuffer.wrap(bytes.clone());
        constants = new int[u2(8)];
        int at = POOL;
        for (int i = 1; i < constants.length; i++) {
            constants[i] = at;
            int tag = file.get(at);
            at += constantLength(tag, at);
            if (tag == 5 || tag == 6) {
                i++; // a long or double takes two numbers (JVMS 4.4.5)
            }
        }
        poolEnd = at;
    }

    /**
     * Give the file with the one call of {@code name} and {@code descriptor} made a call of the static method of the same name in
     * {@code owner}, which takes the receiver first.
     */
    byte[] redirect(String name, String descriptor, String owner, String staticDescriptor) throws IOException {
        int site = site(name, descriptor);
        byte[] added = reference(owner, name, staticDescriptor);
        file.put(site, (byte) INVOKESTATIC);
        file.putShort(site + 1, (short) (constants.length + 5));
        file.putShort(8, (short) (constants.length + 6));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(file.array(), 0, poolEnd);
        out.write(added);
        out.write(file.array(), poolEnd, file.capacity() - poolEnd);
        return out.toByteArray();
    }

    private byte[] reference(String owner, String name, String descriptor) throws IOException {
        int first = constants.length;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        for (String text : new String[] {owner, name, descriptor}) {
            out.writeByte(1);
            out.writeUTF(text);
        }
        out.writeByte(7); // CONSTANT_Class
        out.writeShort(first);
        out.writeByte(12); // CONSTANT_NameAndType
        out.writeShort(first + 1);
        out.writeShort(first + 2);
        out.writeByte(10); // CONSTANT_Methodref
        out.writeShort(first + 3);
        out.writeShort(first + 4);
        return bytes.toByteArray();
    }

    /** Where the one call stands; a JDK in which there is none, or several, is not one that we know. */
    private int site(String name, String descriptor) {
        int found = 0;
        int at = afterMembers(interfacesEnd());
        int methods = u2(at);
        at += 2;
        for (int i = 0; i < methods; i++) {
            int attributes = u2(at + 6);
            at += 8;
            for (int j = 0; j < attributes; j++) {
                if (utf8(u2(at)).equals("Code")) {
                    int call = callIn(at + 14, file.getInt(at + 10), name, descriptor);
                    if (call != 0 && found != 0) {
                        throw new IllegalStateException("several calls of " + name);
                    }
                    found = Math.max(found, call);
                }
                at += 6 + file.getInt(at + 2);
            }
        }
        if (found == 0) {
            throw new IllegalStateException("no call of " + name);
        }
        return found;
    }

    private int interfacesEnd() {
        return poolEnd + 8 + 2 * u2(poolEnd + 6);
    }

    /** Pass over fields (JVMS 4.5) to the count of methods. */
    private int afterMembers(int at) {
        int members = u2(at);
        at += 2;
        for (int i = 0; i < members; i++) {
            int attributes = u2(at + 6);
            at += 8;
            for (int j = 0; j < attributes; j++) {
                at += 6 + file.getInt(at + 2);
            }
        }
        return at;
    }

    private int callIn(int start, int length, String name, String descriptor) {
        int found = 0;
        for (int pc = 0; pc < length; pc += instructionLength(start, pc)) {
            int opcode = file.get(start + pc) & 0xff;
            if ((opcode == INVOKEVIRTUAL || opcode == INVOKESPECIAL) && isCallOf(u2(start + pc + 1), name, descriptor)) {
                if (found != 0) {
                    throw new IllegalStateException("several calls of " + name);
                }
                found = start + pc;
            }
        }
        return found;
    }

    private boolean isCallOf(int constant, String name, String descriptor) {
        int pair = constants[u2(constants[constant] + 3)];
        return utf8(u2(pair + 1)).equals(name) && utf8(u2(pair + 3)).equals(descriptor);
    }

    /** JVMS 6.5. */
    private int instructionLength(int start, int pc) {
        int opcode = file.get(start + pc) & 0xff;
        int padded = start + ((pc + 4) & ~3);
        if (opcode == TABLESWITCH) {
            return padded - start - pc + 12 + 4 * (file.getInt(padded + 8) - file.getInt(padded + 4) + 1);
        }
        if (opcode == LOOKUPSWITCH) {
            return padded - start - pc + 8 + 8 * file.getInt(padded + 4);
        }
        if (opcode == WIDE) {
            return (file.get(start + pc + 1) & 0xff) == IINC ? 6 : 4;
        }
        return 1 + operandLength(opcode);
    }

    private static int operandLength(int opcode) {
        boolean one = opcode == 0x10 || opcode == 0x12 || (opcode >= 0x15 && opcode <= 0x19)
                || (opcode >= 0x36 && opcode <= 0x3a) || opcode == 0xa9 || opcode == 0xbc;
        boolean two = opcode == 0x11 || opcode == 0x13 || opcode == 0x14 || opcode == IINC || (opcode >= 0x99 && opcode <= 0xa8)
                || (opcode >= 0xb2 && opcode <= 0xb8) || opcode == 0xbb || opcode == 0xbd || opcode == 0xc0 || opcode == 0xc1
                || opcode == 0xc6 || opcode == 0xc7;
        boolean four = opcode == 0xb9 || opcode == 0xba || opcode == 0xc8 || opcode == 0xc9;
        return one ? 1 : two ? 2 : four ? 4 : opcode == 0xc5 ? 3 : 0;
    }

    /** JVMS 4.4. */
    private int constantLength(int tag, int at) {
        switch (tag) {
            case 1:
                return 3 + u2(at + 1);
            case 7:
            case 8:
            case 16:
            case 19:
            case 20:
                return 3;
            case 15:
                return 4;
            case 5:
            case 6:
                return 9;
            case 3:
            case 4:
            case 9:
            case 10:
            case 11:
            case 12:
            case 17:
            case 18:
                return 5;
            default:
                throw new IllegalStateException("unknown constant " + tag);
        }
    }

    private String utf8(int constant) {
        int at = constants[constant];
        return new String(file.array(), at + 3, u2(at + 1), StandardCharsets.UTF_8);
    }

    private int u2(int at) {
        return file.getShort(at) & 0xffff;
    }
}
