// A plugin for tests: its clients find each other by the key-value store, as those of
// cards do (xla/pjrt/distributed/topology_util.cc), and compute nothing. The version of its
// platform is what the nodes have told each other.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Error { int code; char text[256]; } Error;
typedef Error *(*MakeError)(int code, const char *text, size_t size);

typedef struct { size_t size; void *ext; const char *key; size_t key_size; int timeout; MakeError *error; void *user;
  char *value; size_t value_size; void (*free)(char *); } Get;
typedef struct { size_t size; void *ext; const char *key; size_t key_size; MakeError *error; void *user;
  char *value; size_t value_size; void (*free)(char *); } TryGet;
typedef struct { size_t size; void *ext; const char *key; size_t key_size; const char *value; size_t value_size;
  MakeError *error; void *user; } Put;
typedef struct { size_t size; void *ext; const char *name; size_t name_size; int kind; long value; size_t count; } Named;
typedef struct { size_t size; void *ext; const Named *options; size_t count; Error *(*get)(Get *); void *get_user;
  Error *(*put)(Put *); void *put_user; void *client; Error *(*try_get)(TryGet *); void *try_user; } Create;

static Error *make(int code, const char *text, size_t size) {
  Error *e = calloc(1, sizeof *e);
  e->code = code;
  memcpy(e->text, text, size < 255 ? size : 255);
  return e;
}
static MakeError maker = make;

typedef struct Client { Create *c; int node, nodes; char topology[4096]; Error *error; } Client;

static Error *failure(const char *text) { return make(13, text, strlen(text)); }

static Error *put(Client *k, const char *key, const char *value) {
  Put p = {sizeof p, 0, key, strlen(key), value, strlen(value), &maker, k->c->put_user};
  return k->c->put(&p);
}

static Error *get(Client *k, const char *key, int timeout, char *to, size_t room) {
  Get g = {sizeof g, 0, key, strlen(key), timeout, &maker, k->c->get_user};
  Error *e = k->c->get(&g);
  if (e) return e;
  if (g.value_size >= room) return failure("a value is too long");
  memcpy(to, g.value, g.value_size);
  to[g.value_size] = 0;
  g.free(g.value);
  return 0;
}

// expect takes an error of a code for what is right.
static Error *expect(Error *e, int code, const char *what) {
  if (!e) return failure(what);
  if (e->code != code) return e;
  free(e);
  return 0;
}

static Error *meet(Client *k) {
  char key[64], own[64];
  Error *e;
  TryGet absent = {sizeof absent, 0, "absent", 6, &maker, k->c->try_user};
  if ((e = expect(k->c->try_get(&absent), 5, "an absent key is there"))) return e;
  char none[8];
  if ((e = expect(get(k, "absent", 30, none, sizeof none), 4, "an absent key came"))) return e;
  sprintf(key, "local_topology/fake/%d", k->node);
  sprintf(own, "node %d of %d;", k->node, k->nodes);
  if ((e = put(k, key, own))) return e;
  if ((e = expect(put(k, key, own), 6, "a key is put twice"))) return e;
  if (k->node == 0) {
    char all[4096] = "";
    for (int i = 0; i < k->nodes; i++) {
      char one[64];
      sprintf(key, "local_topology/fake/%d", i);
      if ((e = get(k, key, 20000, one, sizeof one))) return e;
      strcat(all, one);
    }
    if ((e = put(k, "global_topology/fake", all))) return e;
  }
  return get(k, "global_topology/fake", 20000, k->topology, sizeof k->topology);
}

static void *thread(void *k) { ((Client *)k)->error = meet(k); return 0; }

static Error *create(Create *c) {
  Client *k = calloc(1, sizeof *k);
  k->c = c;
  for (size_t i = 0; i < c->count; i++) {
    const Named *n = (const Named *)((const char *)c->options + i * sizeof(Named));
    if (n->name_size == 7 && !memcmp(n->name, "node_id", 7)) k->node = n->value;
    if (n->name_size == 9 && !memcmp(n->name, "num_nodes", 9)) k->nodes = n->value;
  }
  if (!c->get || !c->put || !c->try_get) { free(k); return failure("there is no store"); }
  pthread_t t; // plugins call from threads that the program does not know
  pthread_create(&t, 0, thread, k);
  pthread_join(t, 0);
  if (k->error) { Error *e = k->error; free(k); return e; }
  c->client = k;
  return 0;
}

typedef struct { size_t size; void *ext; Error *error; const char *text; size_t text_size; } Message;
typedef struct { size_t size; void *ext; Error *error; int code; } Code;
typedef struct { size_t size; void *ext; void *object; const char *text; size_t text_size; } Text;
typedef struct { size_t size; void *ext; void *object; void *list; size_t count; } List;

static void *error_free(List *a) { free(a->object); return 0; }
static void *error_text(Message *m) { m->text = m->error->text; m->text_size = strlen(m->text); return 0; }
static void *error_code(Code *c) { c->code = c->error->code; return 0; }
static void *nothing(void *a) { return 0; }
static void *client_free(List *a) { free(a->object); return 0; }
static void *name(Text *t) { t->text = "fake"; t->text_size = 4; return 0; }
static void *version(Text *t) { Client *k = t->object; t->text = k->topology; t->text_size = strlen(t->text); return 0; }
static void *devices(List *l) { l->list = 0; l->count = 0; return 0; }

static struct { size_t size; void *ext; struct { size_t size; void *ext; int major, minor; } version; void *slots[97]; } api;

void *GetPjrtApi(void) {
  api.size = sizeof api;
  api.version.size = sizeof api.version;
  api.version.minor = 100;
  api.slots[0] = error_free, api.slots[1] = error_text, api.slots[2] = error_code;
  api.slots[3] = nothing, api.slots[4] = devices;
  api.slots[10] = create, api.slots[11] = client_free;
  api.slots[12] = name, api.slots[14] = version, api.slots[16] = devices;
  return &api;
}
