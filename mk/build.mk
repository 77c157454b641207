# SPDX-License-Identifier: ISC
# What is built from what.  Called by the Makefile as mk/build.mk with B=<build directory>;
# understood by GNU make and bmake alike.

all: programs

include $(B)/config.mk

PROGRAMS = $(B)/warrend $(B)/warrenctl $(B)/stund-bin $(B)/peerd-bin \
	$(B)/store-bin $(B)/apid-bin $(B)/appd-bin
LINK = @echo "  ld $@"; $(CC) $(CFLAGS) -o $@

# Every object that has no main(): what tests and fuzzers link with.
LIB_OBJS = $(COMMON_OBJS) $(STUND_OBJS) $(PEERD_OBJS) $(STORE_OBJS) \
	$(APID_OBJS) $(APPD_OBJS) $(LIBWARREN_OBJS) \
	$(WARREND_OBJS) $(WARRENCTL_OBJS)

programs: $(PROGRAMS) $(B)/libwarren.so.0 $(B)/libwarren.a $(EXAMPLES)
unit: $(UNIT_TESTS)
fuzzers: $(FUZZERS)
tools: $(TOOLS)

# The bytes of a link certificate are said once, in peerd/hello.c: peerd checks
# what warrend signs.
$(B)/warrend: $(WARREND_OBJS) $(B)/peerd/hello.o $(B)/common.a
	$(LINK) $(WARREND_OBJS) $(B)/peerd/hello.o $(B)/common.a $(LDFLAGS) \
	    $(LIBS)

$(B)/warrenctl: $(WARRENCTL_OBJS) $(B)/common.a
	$(LINK) $(WARRENCTL_OBJS) $(B)/common.a $(LDFLAGS) $(LIBS)

# The daemons' names are also folders of the build tree, hence "-bin".
$(B)/stund-bin: $(STUND_OBJS) $(B)/common.a
	$(LINK) $(STUND_OBJS) $(B)/common.a $(LDFLAGS) $(LIBS)

$(B)/peerd-bin: $(PEERD_OBJS) $(B)/common.a
	$(LINK) $(PEERD_OBJS) $(B)/common.a $(LDFLAGS) $(LIBS)

# The tree and the sync sessions are cores of peerd; the store runs them.
STORE_CORES = $(B)/peerd.a

$(B)/store-bin: $(STORE_OBJS) $(STORE_CORES) $(B)/common.a
	$(LINK) $(STORE_OBJS) $(STORE_CORES) $(B)/common.a $(LDFLAGS) $(LIBS) \
	    $(SQLITE_LIBS)

# How a block is named by its content is said once, in peerd/blocks.c.
$(B)/apid-bin: $(APID_OBJS) $(B)/peerd/blocks.o $(B)/common.a
	$(LINK) $(APID_OBJS) $(B)/peerd/blocks.o $(B)/common.a $(LDFLAGS) \
	    $(LIBS)

$(B)/appd-bin: $(APPD_OBJS) $(B)/common.a
	$(LINK) $(APPD_OBJS) $(B)/common.a $(LDFLAGS) $(LIBS)

# What programs beside a node are linked with; only its own names can be seen.
$(B)/libwarren.so.0: $(LIBWARREN_PIC) appd/libwarren/libwarren.map
	$(LINK) -shared -Wl,-soname,libwarren.so.0 \
	    -Wl,--version-script=appd/libwarren/libwarren.map \
	    $(LIBWARREN_PIC) $(SOFLAGS)

$(B)/libwarren.a: $(LIBWARREN_PIC)
	@ld -r -o $(B)/pic/libwarren.o $(LIBWARREN_PIC)
	@$(OBJCOPY) --localize-hidden $(B)/pic/libwarren.o
	@rm -f $@
	@ar qcs $@ $(B)/pic/libwarren.o

# An archive, of which the linker takes what is asked for.
$(B)/peerd.a: $(PEERD_OBJS)
	@rm -f $@
	@ar qcs $@ $(PEERD_OBJS)

$(B)/common.a: $(COMMON_OBJS)
	@rm -f $@
	@ar qcs $@ $(COMMON_OBJS)

$(B)/all.a: $(LIB_OBJS)
	@rm -f $@
	@ar qcs $@ $(LIB_OBJS)
