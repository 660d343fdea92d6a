/** What each scope's program is made to keep, by its own means, and how it tells what it has. A row a kind of state. */
import { quoted } from "../../src/local/process.ts";
import { SITE } from "./scopes-host.ts";

export interface ScopeState {
  /** The scope's option, without `.enable`. */
  readonly scope: string;
  /** Where one scope has several. */
  readonly of?: string;
  /** Root's shell on the host; returns when the program has it. */
  readonly write: string;
  readonly read: string;
  /** What `read` prints, before the power cut and after. */
  readonly shows: RegExp;
}

/** A program in a container: no image can be had without a network. */
const IMAGE = "tar --create --directory=/ usr/bin/busybox";
const CONTAINER = "run --rm --network=none --volume=kept:/data tiny /usr/bin/busybox";
const KEEP = "sh -c 'echo kept >/data/note'";

/** An adapter as the kernel emulates it: no machine of QEMU's has one. It may not answer in time at first. */
const ADAPTER = `
modprobe hci_vhci
for attempt in 1 2 3 4 5; do
  systemctl is-active --quiet btvirt || systemd-run --quiet --unit=btvirt btvirt -l1
  for second in 1 2 3 4 5 6 7 8 9 10; do
    adapter=$(busctl tree --list org.bluez 2>/dev/null | grep -m1 hci) && break 2
    sleep 1
  done
  systemctl stop btvirt
done`;

const alice = (command: string) => `runuser --login alice --command ${quoted(command)}`;

export const STATES: readonly ScopeState[] = [
  {
    scope: "services.printing",
    write: "lpadmin -p kept -E -v ipp://192.0.2.9/ipp",
    read: "lpstat -v",
    shows: /^device for kept: ipp:\/\/192\.0\.2\.9\/ipp$/,
  },
  {
    scope: "services.openssh",
    write: "",
    read: "ssh-keyscan -q -t ed25519 localhost",
    shows: /^localhost ssh-ed25519 \S+$/,
  },
  {
    scope: "networking.networkmanager",
    write: "nmcli connection add type dummy ifname dummy9 con-name kept ip4 192.0.2.1/24",
    read: "nmcli --get-values connection.id,connection.uuid,ipv4.addresses connection show kept",
    shows: /^kept\n\S+\n192\.0\.2\.1\/24$/,
  },
  {
    scope: "hardware.bluetooth",
    write: `${ADAPTER}\nbusctl set-property org.bluez "$adapter" org.bluez.Adapter1 Alias s kept`,
    read: `${ADAPTER}\nbusctl get-property org.bluez "$adapter" org.bluez.Adapter1 Alias`,
    shows: /^s "kept"$/,
  },
  {
    scope: "virtualisation.docker",
    write: `${IMAGE} | docker import - tiny && docker ${CONTAINER} ${KEEP}`,
    read: `docker ${CONTAINER} cat /data/note`,
    shows: /^kept$/,
  },
  {
    scope: "virtualisation.podman",
    write: `${IMAGE} | podman import --quiet - tiny && podman ${CONTAINER} ${KEEP} && podman network create kept`,
    read: `podman ${CONTAINER} cat /data/note && podman network inspect kept --format '{{.Name}} {{.ID}}'`,
    shows: /^kept\nkept [0-9a-f]+$/,
  },
  {
    scope: "virtualisation.podman",
    of: "the primary user",
    write: `${IMAGE} | ${alice("podman import --quiet - tiny")} && ${alice(`podman ${CONTAINER} ${KEEP}`)}`,
    read: alice(`podman ${CONTAINER} cat /data/note 2>/dev/null`),
    shows: /^kept$/,
  },
  {
    scope: "virtualisation.libvirtd",
    write: [
      "echo '<network><name>kept</name></network>' >/run/kept.xml && virsh net-define /run/kept.xml",
      "virsh net-autostart kept",
      "echo \"<domain type='qemu'><name>kept</name><memory unit='MiB'>16</memory><os><type>hvm</type></os></domain>\" >/run/kept.xml",
      "virsh define /run/kept.xml",
      "virsh pool-define-as kept dir --target /var/lib/libvirt/kept",
    ].join(" && "),
    read: "virsh dominfo kept | grep UUID && virsh net-info kept | grep -E 'Name|Autostart' && virsh pool-list --all --name",
    shows: /^UUID:\s+\S+\nName:\s+kept\nAutostart:\s+yes\n\s*kept$/,
  },
  {
    scope: "services.postgresql",
    write: `runuser -u postgres -- psql -c "create table kept (note text)" -c "insert into kept values ('a row')"`,
    read: 'runuser -u postgres -- psql --no-align --tuples-only -c "select note from kept" -c "show max_connections"',
    shows: /^a row\n20$/,
  },
  {
    // Got from the authority on the host, which does not remember it after the power cut.
    scope: "services.nginx",
    write: `until [ -e /etc/letsencrypt/live/${SITE}/fullchain.pem ]; do sleep 1; done; systemctl is-active nginx`,
    read: `openssl s_client -connect localhost:443 -servername ${SITE} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -issuer`,
    shows: /Fingerprint=\S+\nissuer=CN\s?=\s?Pebble/,
  },
  {
    scope: "services.fail2ban",
    write: "fail2ban-client set sshd banip 192.0.2.7",
    read: "fail2ban-client get sshd banip",
    shows: /^192\.0\.2\.7$/,
  },
  {
    scope: "services.cron",
    write: "echo '@yearly true kept' | crontab -u alice -",
    read: "crontab -u alice -l",
    shows: /^@yearly true kept$/,
  },
  { scope: "services.atd", write: "echo true | at -t 203001010000 2>&1", read: "atq", shows: /^1\s.* 2030 a root$/ },
  {
    scope: "services.prometheus.exporters.node",
    write: "echo 'kept 1' >/var/lib/prometheus/node-exporter/kept.prom",
    read: "curl --silent localhost:9100/metrics | grep '^kept '",
    shows: /^kept 1$/,
  },
  {
    scope: "services.nixfleet-agent",
    write: "echo kept >/var/lib/nixfleet/note",
    read: "cat /var/lib/nixfleet/note; systemctl is-active nixfleet-agent.timer; nixfleet agent --status | head -1",
    shows: /^kept\nactive\ncontrol plane: https:\/\/localhost:8443$/,
  },
  {
    scope: "services.nixfleet-control-plane",
    write: "until test -e /var/lib/nixfleet-cp/first-key; do sleep 1; done",
    read: "curl --silent --retry 60 --retry-connrefused --cacert /var/lib/nixfleet-cp/authority.crt https://localhost:8443/health && openssl x509 -noout -serial -in /var/lib/nixfleet-cp/authority.crt",
    shows: /^\S+\s*serial=\w+$/,
  },
  {
    scope: "nixfleet.base",
    write: alice(
      [
        "git config --global user.name kept && git config --global credential.helper store",
        "printf 'protocol=https\\nhost=a.test\\nusername=a\\npassword=kept\\n' | git credential approve",
        "bash -ic 'history -s echo kept; history -w' 2>/dev/null",
        "vim -c 'let @a=\"kept\"' -c wviminfo -c 'q!' </dev/null >/dev/null 2>&1",
      ].join(" && "),
    ),
    read: alice(
      "git config --global user.name && printf 'protocol=https\\nhost=a.test\\n' | git credential fill | grep password && tail -n1 .local/state/bash/history && grep -c kept .local/state/vim/viminfo",
    ),
    shows: /^kept\npassword=kept\necho kept\n[1-9]$/,
  },
  {
    scope: "nixfleet.home",
    write: alice('echo kept >"$(xdg-user-dir DOCUMENTS)/note"'),
    read: alice("cat Documents/note"),
    shows: /^kept$/,
  },
  {
    scope: "programs.zsh",
    write: alice("zsh -ic 'print -s echo kept; fc -W'"),
    read: alice("tail -n1 .local/state/zsh/history"),
    shows: /^echo kept$/,
  },
  {
    scope: "programs.fish",
    // fish rounds the time of an item up, and shows nothing from the future.
    write: alice("fish -c 'history append \"echo kept\"; history save; sleep 1'"),
    read: alice("fish -c 'history search'"),
    shows: /^echo kept$/,
  },
  {
    scope: "programs.neovim",
    write: alice("nvim --headless '+let @a=\"kept\"' +wshada +qa"),
    read: alice("nvim --headless '+echo @a' +qa 2>&1"),
    shows: /^kept$/,
  },
  {
    scope: "programs.gh",
    write: alice("gh config set editor kept"),
    read: alice("gh config get editor"),
    shows: /^kept$/,
  },
];
